// One message on one connection: MAIL, RCPT, DATA, content, and what the server says to each recipient.
//
// Commands are sent together where the server takes that (RFC 2920). Used once. What is known when a wait
// throws io::Ended is in verdicts(); recipients without a verdict were not answered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/queue/content.h"
#include "lib/queue/envelope.h"
#include "smtp/failure.h"
#include "smtp/session.h"

namespace postrider::smtp_client {

struct Mail {
  const queue::Envelope& envelope;
  const queue::Content& content;
  std::string header;  // lines to be sent before the content
};

struct Verdict {
  std::uint32_t recipient = 0;  // index in the envelope
  bool delivered = false;
  Failure failure;        // if not
  std::string dsn, text;  // the reply, if so
};

class Transaction {
 public:
  Transaction(Surroundings& here, Session& session, const Mail& mail, std::vector<std::uint32_t> recipients);

  event::Task<> run();

  std::vector<Verdict>& verdicts() { return verdicts_; }
  // The server has answered something other than that it is leaving: the connection was not a dead one.
  bool answered() const { return answered_; }
  // The end of the content was sent: the server may have taken the message, whatever happened then.
  bool content_sent() const { return content_sent_; }
  // Our own file could not be read; the connection is of no more use.
  bool local_trouble() const { return local_trouble_; }

 private:
  enum class Verb : std::uint8_t { rset, xforward, mail, rcpt, data };
  struct Step {
    Verb verb;
    std::size_t place = 0;  // of the recipient, in recipients_
    std::string line;
  };

  bool refuse_unasked();
  bool needs_utf8() const;
  bool header_has_utf8() const;
  std::vector<Step> plan() const;
  void add_xforward(std::vector<Step>& steps) const;
  std::string mail_line() const;
  std::string rcpt_line(const queue::Recipient& recipient) const;
  event::Task<> send_envelope();
  void announce(const Step& step);
  Seconds patience(const Step& step) const;
  void take(const Step& step, const smtp::Reply& reply);
  event::Task<> end_empty_data();
  event::Task<> send_content();
  event::Task<bool> send_body();
  event::Task<> finish();
  bool settled(std::size_t place) const { return settled_[place]; }
  void deliver(std::size_t place, const smtp::Reply& reply);
  void fail(std::size_t place, const Failure& failure);
  void fail_rest(const Failure& failure);

  Surroundings& here_;
  Session& session_;
  const Mail& mail_;
  std::vector<std::uint32_t> recipients_;
  std::vector<bool> settled_;
  std::vector<std::size_t> accepted_;  // places, in the order of their replies
  std::vector<Verdict> verdicts_;
  bool answered_ = false;
  bool refused_ = false;  // the message as a whole
  bool data_open_ = false;
  bool content_sent_ = false;
  bool local_trouble_ = false;
};

}  // namespace postrider::smtp_client
