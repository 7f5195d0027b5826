// One SMTP client: its dialogue from greeting to goodbye, in straight lines.
//
//   session.cc     greeting, the command loop, errors and limits, goodbye
//   hello.cc       HELO, EHLO, STARTTLS, AUTH
//   envelope.cc    MAIL, RCPT, RSET and the small commands
//   content.cc     DATA, BDAT: content to cleanup
//
// Everything read is a stranger's. Limits hold per session; memory of an idle session is this object, its
// coroutine frames and no buffers.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/io/stream.h"
#include "lib/ipc/pool.h"
#include "lib/protocol/cleanup.h"
#include "lib/queue/envelope.h"
#include "lib/smtp/command.h"
#include "lib/smtp/data.h"
#include "lib/smtp/reply.h"
#include "lib/tls/info.h"
#include "smtpd/client.h"
#include "smtpd/restrictions.h"

namespace postrider::smtpd {

class Server;

// What is known of one message while its envelope and content arrive; gone at its end, or at RSET.
struct Transaction {
  smtp::MailArguments mail;
  std::string sender;    // external form, "" for <>
  std::string queue_id;  // from the first accepted recipient on
  std::vector<queue::Recipient> recipients;
  std::size_t refused_over_limit = 0;
  bool hold = false, discard = false;
  std::string redirect, filter;
  std::vector<std::string> prepend;  // header lines
  smtp::Reply deferred;              // by defer_if_permit at MAIL; code 0: not

  // Content, gathered until there is enough to bother cleanup with.
  std::string buffer;
  std::optional<ipc::Pool::Lease> cleanup;
  bool begun = false;   // Submit was sent, or is in `buffer`'s place
  bool broken = false;  // cleanup was lost on the way; the end will be answered with 451
  bool too_large = false;
  bool loops = false;
  std::optional<smtp::DataDecoder> bdat;
  // A chunk was refused: those after it are no message without it, and are thrown away up to the last.
  bool chunks_refused = false;

  void apply(Verdict verdict);
  // What cleanup has not heard when the content is on its way already.
  protocol::ContentEnd ending() const;
};

class Session {
 public:
  Session(Server& server, os::Fd socket);
  ~Session();
  event::Task<> run();

 private:
  // session.cc
  event::Task<bool> greet();
  event::Task<> converse();
  event::Task<bool> command(smtp::CommandLine line);
  event::Task<> dispatch(smtp::CommandLine line);
  void reply(const smtp::Reply& reply);
  void reply(int code, std::string_view text);
  void refuse(std::string_view stage, const smtp::Reply& reply, std::string_view recipient = "");
  event::Task<bool> within_error_limits();
  void forgive();
  void say_goodbye_in_log(const io::Ended& ended);
  std::string command_counts() const;
  bool pipelined_too_early(std::string_view after);
  MonoTime line_deadline() const;

  // hello.cc
  event::Task<> helo(smtp::CommandLine line);
  event::Task<> starttls(smtp::CommandLine line);
  event::Task<> accept_tls();
  event::Task<> auth(smtp::CommandLine line);
  event::Task<> exchange(smtp::AuthArguments arguments);
  event::Task<std::optional<std::string>> read_response();
  event::Task<bool> may_authenticate();
  void forget_hello();

  // envelope.cc
  event::Task<> mail(smtp::CommandLine line);
  // Puts in the server's delimiters where the client named none.
  std::optional<smtp::Reply> refusal_of_verp(smtp::MailArguments& mail) const;
  event::Task<> rcpt(smtp::CommandLine line);
  event::Task<> check_recipient(smtp::RcptArguments arguments, protocol::RecipientChecked checked);
  event::Task<Verdict> check_restrictions(const protocol::RecipientChecked& checked,
                                          std::string_view recipient);
  void small_command(smtp::CommandLine line);
  void vrfy_etrn_expn(smtp::CommandLine line);
  smtp::EnvelopeRules rules() const;
  Situation situation() const;

  // content.cc
  event::Task<> data(smtp::CommandLine line);
  event::Task<> bdat(smtp::CommandLine line);
  event::Task<bool> may_send_content(std::string_view stage);
  event::Task<> begin_content();
  event::Task<> take_content(std::string_view decoded);
  Result<protocol::Submit> submission() const;
  void lose_submission(std::string_view why);
  event::Task<> hand_over();
  event::Task<> finish_content(const smtp::DataDecoder& decoder);
  event::Task<protocol::Submitted> submit();
  void answer_submission(const protocol::Submitted& submitted);
  event::Task<> read_data(smtp::DataDecoder& decoder);
  event::Task<> read_chunk(std::uint64_t size, smtp::DataDecoder* decoder);
  std::string received_header() const;
  Result<std::string> encoded_envelope() const;

  std::string where() const { return "from " + client_.logged; }
  void end_transaction() { transaction_.reset(); }

  Server& server_;
  io::Stream stream_;
  Client client_;
  std::string helo_;
  bool esmtp_ = false;
  bool closing_ = false;
  bool denied_ = false;   // refused when it connected: only QUIT is obeyed
  bool counted_ = false;  // anvil knows of this connection
  std::unique_ptr<tls::Info> tls_;
  std::string sasl_method_, sasl_username_;
  std::unique_ptr<Transaction> transaction_;

  unsigned errors_ = 0;
  unsigned junk_ = 0;
  bool failed_ = false;                 // the present command was refused
  std::string_view stage_ = "CONNECT";  // where the client is lost, for the log
  std::uint64_t stage_bytes_ = 0;
  struct Count {
    unsigned good = 0, all = 0;
  };
  std::array<Count, 20> counts_{};  // by smtp::Verb
};

}  // namespace postrider::smtpd
