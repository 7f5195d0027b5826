#include "bounce/notice.h"

#include <algorithm>
#include <utility>

#include "lib/base/text.h"
#include "lib/message/received.h"

namespace postrider::bounce {
namespace {

using address::Address;
using protocol::Notify;

bool wants(const queue::Recipient& recipient, dsn::Kind kind) {
  const std::uint8_t asked = recipient.notify;
  if ((asked & queue::notify::never) != 0) return kind == dsn::Kind::verified;
  if (kind == dsn::Kind::failed) return asked == 0 || (asked & queue::notify::failure) != 0;
  if (kind == dsn::Kind::delayed) return asked == 0 || (asked & queue::notify::delay) != 0;
  return true;  // asked for by NOTIFY=SUCCESS, sendmail -v or -bv: the queue manager knows
}

dsn::Kind kind_of(Notify::Kind kind, const queue::Envelope& envelope) {
  // What a trial would have come to is told in one form, good or bad.
  if (envelope.has(queue::flag::verify)) return dsn::Kind::verified;
  switch (kind) {
    case Notify::Kind::failed: return dsn::Kind::failed;
    case Notify::Kind::delayed: return dsn::Kind::delayed;
    case Notify::Kind::succeeded: return dsn::Kind::succeeded;
    case Notify::Kind::verified: return dsn::Kind::verified;
  }
  return dsn::Kind::failed;
}

dsn::Action action_of(dsn::Kind kind, const smtp::Status& status, char way) {
  switch (kind) {
    case dsn::Kind::failed: return dsn::Action::failed;
    case dsn::Kind::delayed: return dsn::Action::delayed;
    case dsn::Kind::verified: return status.success() ? dsn::Action::deliverable : dsn::Action::undeliverable;
    case dsn::Kind::succeeded: break;
  }
  return way == 'e' ? dsn::Action::expanded : way == 'r' ? dsn::Action::relayed : dsn::Action::delivered;
}

dsn::RecipientStatus status_of(const queue::Recipient& recipient, dsn::Kind kind, char way) {
  dsn::RecipientStatus out;
  out.recipient = Address::from_internal(recipient.address);
  out.original = recipient.original;
  out.orcpt = recipient.orcpt;
  out.status = smtp::Status::parse(recipient.dsn).value_or(smtp::Status{});
  out.action = action_of(kind, out.status, way);
  out.reason = recipient.reason;
  out.remote_mta = recipient.remote_mta;
  out.remote_reply = recipient.remote_reply;
  return out;
}

std::string_view words_of(dsn::Kind kind) {
  switch (kind) {
    case dsn::Kind::failed: return "non-delivery notification";
    case dsn::Kind::delayed: return "delay notification";
    case dsn::Kind::succeeded:
    case dsn::Kind::verified: return "delivery status notification";
  }
  return "notification";
}

Notice to_postmaster(dsn::Report report, const std::string& recipient, const Rules& rules) {
  Notice notice;
  notice.words = "postmaster " + std::string(words_of(report.kind));
  notice.sender = rules.double_bounce_sender;
  notice.report = std::move(report);
  notice.report.to = Address::from_internal(recipient);
  notice.report.to_postmaster = true;
  // The content is between its sender and its recipients.
  notice.report.returned = dsn::Returned::headers;
  return notice;
}

dsn::Report report_on(const protocol::Notify& request, const queue::Envelope& envelope, const Rules& rules,
                      WallTime now, const message::Zone& zone) {
  dsn::Report report;
  report.kind = kind_of(request.kind, envelope);
  report.from = {"MAILER-DAEMON", rules.origin};
  report.sender = Address::from_internal(envelope.sender);
  report.hostname = rules.hostname;
  report.mail_name = rules.mail_name;
  report.queue_id = envelope.id.text();
  report.envid = envelope.envid;
  report.arrival = envelope.arrival;
  report.now = now;
  report.zone = zone;
  report.smtputf8 = envelope.has(queue::flag::smtputf8);
  if (report.kind == dsn::Kind::delayed) report.retry_until = envelope.arrival + rules.queue_lifetime;
  const bool whole = report.kind == dsn::Kind::failed && envelope.dsn_return != queue::DsnReturn::headers &&
                     request.content.length <= rules.size_limit;
  report.returned = whole ? dsn::Returned::full : dsn::Returned::headers;
  for (std::size_t i = 0; i < envelope.recipients.size(); ++i) {
    if (!wants(envelope.recipients[i], report.kind)) continue;
    const char way = i < request.ways.size() ? request.ways[i] : 'd';
    report.recipients.push_back(status_of(envelope.recipients[i], report.kind, way));
    report.recipients.back().retry_until = report.retry_until;
  }
  return report;
}

}  // namespace

Plan plan(const protocol::Notify& request, const queue::Envelope& envelope, const Rules& rules, WallTime now,
          const message::Zone& zone) {
  Plan out;
  dsn::Report report = report_on(request, envelope, rules, now, zone);
  if (report.recipients.empty()) return out;
  const bool failed = report.kind == dsn::Kind::failed;
  const bool from_us = iequals(envelope.sender, rules.double_bounce_sender) ||
                       (envelope.has(queue::flag::bounce) && !envelope.sender.empty());
  if (from_us) {
    if (failed) out.remark = "undeliverable postmaster notification discarded";
    out.worth_a_warning = failed;
    return out;
  }
  if (envelope.sender.empty()) {
    if (!failed) return out;
    if (!rules.notify_double_bounce)
      out.remark = "undeliverable mail without sender discarded (notify_classes holds no 2bounce)";
    else
      out.notices.push_back(to_postmaster(std::move(report), rules.double_bounce_recipient, rules));
    return out;
  }
  Notice notice;
  notice.words = "sender " + std::string(words_of(report.kind));
  notice.report = report;
  notice.report.to = report.sender;
  out.notices.push_back(std::move(notice));
  const bool copy = failed ? rules.notify_bounce : report.kind == dsn::Kind::delayed && rules.notify_delay;
  if (copy) {
    const std::string& recipient = failed ? rules.bounce_recipient : rules.delay_recipient;
    out.notices.push_back(to_postmaster(std::move(report), recipient, rules));
    out.notices.back().required = false;
  }
  return out;
}

std::uint64_t content_wanted(const dsn::Report& report, std::uint64_t length, std::uint64_t size_limit) {
  // plan() asks for the whole only where it is within the limit.
  return report.returned == dsn::Returned::full ? length : std::min(length, size_limit);
}

Letter compose(const Notice& notice, queue::QueueId id, std::string_view content) {
  // A header that is cut ends with a whole line.
  if (notice.report.returned == dsn::Returned::headers && !content.ends_with('\n'))
    content = content.substr(0, content.rfind('\n') + 1);
  const dsn::Report& report = notice.report;
  dsn::Composed composed = dsn::compose(report, content);
  Letter letter;
  letter.content =
      message::received_internally(report.hostname, report.mail_name, id.text(), report.now, report.zone);
  letter.content += composed.message;
  queue::Envelope& envelope = letter.envelope;
  envelope.id = id;
  envelope.arrival = report.now;
  envelope.sender = notice.sender;
  envelope.size = letter.content.size();
  envelope.flags = queue::flag::bounce | (composed.utf8 ? queue::flag::smtputf8 : 0U);
  envelope.encoding =
      composed.eight_bit ? queue::BodyEncoding::eight_bit_mime : queue::BodyEncoding::seven_bit;
  envelope.recipients.emplace_back();
  envelope.recipients.back().address = report.to.internal();
  return letter;
}

}  // namespace postrider::bounce
