#include "lib/dsn/report.h"

#include <chrono>

#include <fmt/core.h>

#include "lib/address/header.h"
#include "lib/base/utf8.h"
#include "lib/dsn/status_part.h"
#include "lib/message/header.h"

namespace postrider::dsn {
namespace {

constexpr std::string_view closing =
    "Questions go to postmaster. Please send this report along with them; the returned\n"
    "message itself may be left out.\n"
    "\n"
    "                   The mail system\n";

// The words before the list of recipients.
std::string explanation(const Report& report) {
  switch (report.kind) {
    case Kind::failed:
      if (report.to_postmaster)
        return "This is for the postmaster's attention: the message below could not be delivered, and\n"
               "there is no sender who could be told.\n\n";
      return "Your message could not be delivered to the recipients listed below, and no further\n"
             "attempts will be made. What came back of it is attached.\n\n" +
             std::string(closing);
    case Kind::delayed: {
      std::string until = "some days";
      if (report.retry_until) until = message::format_date(*report.retry_until, report.zone);
      return fmt::format(
                 "THIS IS A WARNING ONLY. YOU DO NOT NEED TO SEND YOUR MESSAGE AGAIN.\n\n"
                 "Your message has not reached the recipients listed below so far. Further attempts\n"
                 "will be made until {}.\n\n",
                 until) +
             std::string(closing);
    }
    case Kind::succeeded:
      return "Your message was delivered to the destinations listed below. From those where it went\n"
             "into a mailbox you will hear no more; other systems on its way may still report errors.\n\n";
    case Kind::verified: return "Here is the delivery report that you asked for.\n\n";
  }
  return {};
}

std::string description(const RecipientStatus& r, bool utf8) {
  const std::string final = r.recipient.path();
  std::string out = clean_line(final, address::max_path + 2, utf8);
  if (!r.original.empty() && r.original != r.recipient.internal()) {
    const std::string original = address::Address::from_internal(r.original).path();
    out += fmt::format(" (expanded from {})", clean_line(original, address::max_path + 2, utf8));
  }
  out += ": ";
  out += clean_line(r.reason, max_diagnostic, utf8);
  return wrap(out);
}

std::string text_part(const Report& report, bool utf8) {
  std::string out =
      fmt::format("This is the mail system at host {}.\n\n", clean_line(report.hostname, 255, false));
  out += explanation(report);
  std::size_t described = 0;
  for (const RecipientStatus& r : report.recipients) {
    if (described == max_described) {
      out += fmt::format("\n... and {} more, which the delivery report lists.\n",
                         report.recipients.size() - described);
      break;
    }
    out += '\n';
    out += description(r, utf8);
    out += '\n';
    ++described;
  }
  return out;
}

// A line of our own that stands nowhere in `content`, so that nobody can end a part early (RFC 2046 5.1.1).
std::string make_boundary(const Report& report, std::string_view content) {
  const auto seconds = std::chrono::duration_cast<Seconds>(report.now.time_since_epoch()).count();
  const std::string base = fmt::format("{}.{}/{}", clean_line(report.queue_id, 32, false), seconds,
                                       clean_line(report.hostname.substr(0, 24), 24, false));
  std::string boundary = base;
  for (unsigned n = 1; content.find(boundary) != std::string_view::npos; ++n)
    boundary = fmt::format("{}={}", base, n);
  return boundary;
}

struct ReturnedPart {
  std::string_view description;
  std::string_view type;
};
ReturnedPart returned_part(const Report& report) {
  const bool full = report.returned == Returned::full;
  ReturnedPart part;
  switch (report.kind) {
    case Kind::failed: part.description = full ? "Undelivered Message" : "Undelivered Message Headers"; break;
    case Kind::delayed: part.description = full ? "Delayed Message" : "Delayed Message Headers"; break;
    case Kind::succeeded:
    case Kind::verified: part.description = full ? "Message" : "Message Headers"; break;
  }
  if (report.smtputf8)
    part.type = full ? "message/global" : "message/global-headers";  // RFC 6533 6
  else
    part.type = full ? "message/rfc822" : "text/rfc822-headers";  // RFC 6522 2
  return part;
}

void begin_part(std::string& out, std::string_view boundary, std::string_view description,
                std::string_view type, bool eight_bit) {
  out += fmt::format("\n--{}\nContent-Description: {}\nContent-Type: {}\n", boundary, description, type);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\n";
  out += '\n';
}

}  // namespace

std::string_view subject(Kind kind, bool to_postmaster) {
  switch (kind) {
    case Kind::failed:
      return to_postmaster ? "Postmaster Copy: Undelivered Mail" : "Undelivered Mail Returned to Sender";
    case Kind::delayed:
      return to_postmaster ? "Postmaster Warning: Delayed Mail" : "Delayed Mail (still being retried)";
    case Kind::succeeded: return "Successful Mail Delivery Report";
    case Kind::verified: return "Mail Delivery Status Report";
  }
  return {};
}

Composed compose(const Report& report, std::string_view content) {
  if (report.returned == Returned::headers) {
    message::HeaderScanner scanner(content);
    while (scanner.next()) {
    }
    content = content.substr(0, scanner.header_size());
  }
  const std::string text = text_part(report, true);
  const std::string status = status_part(report);
  const std::string boundary = make_boundary(report, content);
  const bool eight_bit_text = !is_ascii(text);
  const bool eight_bit_status = !is_ascii(status);
  const bool eight_bit_content = !is_ascii(content);

  Composed out;
  out.eight_bit = eight_bit_text || eight_bit_status || eight_bit_content;
  out.utf8 = report.to.needs_utf8() || report.from.needs_utf8() || (report.smtputf8 && out.eight_bit);
  std::string& m = out.message;
  m.reserve(content.size() + text.size() + status.size() + 2048);
  m += message::format_header("Date", message::format_date(report.now, report.zone));
  m += message::format_header("From", address::format_mailbox("Mail Delivery System", report.from));
  m += message::format_header("Subject", subject(report.kind, report.to_postmaster));
  m += message::format_header("To", report.to.text());
  m += "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n";
  m += fmt::format("Content-Type: multipart/report; report-type={};\n\tboundary=\"{}\"\n",
                   report.smtputf8 ? "global-delivery-status" : "delivery-status", boundary);
  if (out.eight_bit) m += "Content-Transfer-Encoding: 8bit\n";
  m += "\nThis is a MIME-encapsulated message.\n";

  begin_part(m, boundary, "Notification",
             eight_bit_text ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii", eight_bit_text);
  m += text;
  begin_part(m, boundary, "Delivery report",
             report.smtputf8 ? "message/global-delivery-status" : "message/delivery-status",
             eight_bit_status);
  m += status;
  const ReturnedPart part = returned_part(report);
  begin_part(m, boundary, part.description, part.type, eight_bit_content);
  m += content;
  if (!content.empty() && content.back() != '\n') m += '\n';
  m += fmt::format("\n--{}--\n", boundary);
  return out;
}

}  // namespace postrider::dsn
