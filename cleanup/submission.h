// One message on its way into the queue: its header is gathered, completed and rewritten, its body streams
// through, its recipients become what the tables make of them, and it is committed.
//
// A client may be smtpd, which strangers talk to: its envelope is taken for what smtpd may say and no more.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cleanup/server.h"
#include "lib/message/header.h"
#include "lib/protocol/cleanup.h"
#include "lib/queue/content_buffer.h"

namespace postrider::cleanup {

class Submission {
 public:
  // The server outlives it.
  Submission(Server& server, const protocol::Submit& submit);

  // Reads content to its end, whatever happens, and returns the answer. Throws io::Ended when the client is
  // lost.
  event::Task<protocol::Submitted> run(ipc::Channel& channel);
  // The same for content that is all there.
  event::Task<protocol::Submitted> run(const std::string& content);

 private:
  using Outcome = protocol::Submitted::Outcome;

  Result<> take_envelope(const std::string& encoded);
  event::Task<> await_room();
  event::Task<> take(std::string_view bytes);
  event::Task<> finish();
  event::Task<> finish_header(std::size_t size);
  event::Task<> put_body(std::string bytes, bool end);
  void put(std::string_view bytes);
  void take_judgement();
  event::Task<> commit();
  bool answered() const { return answer_.has_value(); }
  void answer(Outcome outcome, std::string dsn, std::string reply);  // the first answer counts
  void refuse(const Error& error);

  Server& server_;
  const protocol::Submit::Origin origin_;
  const bool mappings_;
  queue::Envelope envelope_;
  std::optional<queue::ContentBuffer> content_;
  std::optional<Inspector> inspector_;
  Judgement judgement_;
  std::string redirect_;  // by the client, at the end
  std::optional<protocol::Submitted> answer_;

  std::string header_;  // what has arrived, until the header is complete
  message::HeaderBoundary boundary_;
  bool in_header_ = true;
  char last_ = '\n';
};

}  // namespace postrider::cleanup
