// Who is told what became of a message, and the message that tells it. Pure decisions and composition; the
// server reads the content and brings the result to cleanup.
//
// What keeps mail from going round: a notice has the null sender or $double_bounce_sender; mail without
// a sender is never answered but, if the administrator asked, to postmaster; mail from
// $double_bounce_sender is answered to nobody.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/dsn/report.h"
#include "lib/message/date.h"
#include "lib/protocol/bounce.h"
#include "lib/queue/envelope.h"

namespace postrider::bounce {

// The parameters in force, addresses complete.
struct Rules {
  std::string hostname;  // myhostname
  std::string mail_name;
  std::string origin;                   // myorigin: the domain of the addresses below and of MAILER-DAEMON
  std::string double_bounce_sender;     // internal form, with domain
  std::string double_bounce_recipient;  // the same
  std::string bounce_recipient;
  std::string delay_recipient;
  bool notify_double_bounce = false;  // notify_classes holds 2bounce or bounce
  bool notify_bounce = false;
  bool notify_delay = false;
  std::uint64_t size_limit = 50'000;
  Seconds queue_lifetime{432'000};
};

struct Notice {
  dsn::Report report;
  std::string sender;  // envelope sender, internal form; empty: null
  std::string words;   // "sender non-delivery notification", for the log
  // The message reported on must not be forgotten before this one is in the queue. Not for copies.
  bool required = true;
};

struct Plan {
  std::vector<Notice> notices;   // the required one first; empty: nobody is told
  std::string remark;            // a line for the log where that is worth one
  bool worth_a_warning = false;  // that line
};

// `envelope` holds the recipients to be reported; those whose NOTIFY does not ask for it are left out.
Plan plan(const protocol::Notify& request, const queue::Envelope& envelope, const Rules& rules, WallTime now,
          const message::Zone& zone);

// How many bytes of a message of `length` bytes the report can use.
std::uint64_t content_wanted(const dsn::Report& report, std::uint64_t length, std::uint64_t size_limit);

struct Letter {
  queue::Envelope envelope;
  std::string content;  // with Received:, without Message-Id: and Return-Path:
};
// `content` is what content_wanted() said, or the beginning of it.
Letter compose(const Notice& notice, queue::QueueId id, std::string_view content);

}  // namespace postrider::bounce
