#include "lib/dsn/status_part.h"

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/base/utf8.h"
#include "lib/smtp/xtext.h"

namespace postrider::dsn {
namespace {

// "rfc822; user@example.org" or "utf-8; …" (RFC 3464 2.3.1, RFC 6533 4).
std::string typed_address(std::string_view type, std::string_view address, bool utf8) {
  if (is_ascii(address)) return fmt::format("{}; {}", type, clean_line(address, address::max_path, false));
  return fmt::format("utf-8; {}",
                     utf8 ? clean_line(address, address::max_path, true)
                          : smtp::utf8_address_encode(clean_line(address, address::max_path, true)));
}

std::string original_recipient(const RecipientStatus& r, bool utf8) {
  const std::size_t semicolon = r.orcpt.find(';');
  if (semicolon != std::string::npos) {
    const std::string type = clean_line(r.orcpt.substr(0, semicolon), 64, false);
    return typed_address(type, std::string_view(r.orcpt).substr(semicolon + 1), utf8);
  }
  if (r.original.empty() || r.original == r.recipient.internal()) return {};
  return typed_address("rfc822", address::Address::from_internal(r.original).text(), utf8);
}

std::string diagnostic(const Report& report, const RecipientStatus& r) {
  if (!r.remote_reply.empty())
    return fmt::format("smtp; {}", clean_line(r.remote_reply, max_diagnostic, report.smtputf8));
  // RFC 3464 2.3.6 wants a type; ours is experimental and named after the system.
  return fmt::format("X-{}; {}", clean_line(report.mail_name, 64, false),
                     clean_line(r.reason, max_diagnostic, report.smtputf8));
}

void append(std::string& out, std::string_view name, std::string_view value) {
  out += wrap(fmt::format("{}: {}", name, value));
  out += '\n';
}

Status status_of(const RecipientStatus& r) {
  if (r.status.present()) return r.status;
  if (r.action == Action::failed || r.action == Action::undeliverable) return {5, 0, 0};
  if (r.action == Action::delayed) return {4, 0, 0};
  return {2, 0, 0};
}

}  // namespace

std::string wrap(std::string_view text, std::size_t width) {
  constexpr std::string_view indent = "    ";
  std::string out;
  std::size_t room = width;
  while (text.size() > room) {
    std::size_t blank = text.rfind(' ', room);
    if (blank == std::string_view::npos || blank == 0) blank = text.find(' ', room);
    if (blank == std::string_view::npos) break;
    out += text.substr(0, blank);
    out += '\n';
    out += indent;
    text = trim(text.substr(blank));
    room = width - indent.size();
  }
  out += text;
  return out;
}

std::string_view action_name(Action action) {
  switch (action) {
    case Action::failed: return "failed";
    case Action::delayed: return "delayed";
    case Action::delivered: return "delivered";
    case Action::relayed: return "relayed";
    case Action::expanded: return "expanded";
    case Action::deliverable: return "deliverable";
    case Action::undeliverable: return "undeliverable";
  }
  return "failed";
}

std::string clean_line(std::string_view text, std::size_t most, bool utf8) {
  std::string out;
  while (!text.empty() && out.size() < most) {
    const std::string_view before = text;
    const std::int32_t c = take_utf8(text);
    const std::string_view bytes = before.substr(0, before.size() - text.size());
    if (c == '\n' || c == '\r' || c == '\t')
      out += ' ';
    else if (c < 0 || is_control_character(c) || (c >= 0x80 && !utf8))
      out += '?';
    else
      out += bytes;
  }
  return std::string(trim(out));
}

std::string status_part(const Report& report) {
  const bool utf8 = report.smtputf8;
  const std::string mail_name = clean_line(report.mail_name, 64, false);
  std::string out;
  append(out, "Reporting-MTA", "dns; " + clean_line(report.hostname, address::max_domain, false));
  if (!report.envid.empty()) append(out, "Original-Envelope-Id", clean_line(report.envid, 100, false));
  append(out, "X-" + mail_name + "-Queue-ID", clean_line(report.queue_id, 64, false));
  if (!report.sender.empty())
    append(out, "X-" + mail_name + "-Sender", typed_address("rfc822", report.sender.text(), utf8));
  append(out, "Arrival-Date", message::format_date(report.arrival, report.zone));
  for (const RecipientStatus& r : report.recipients) {
    out += '\n';
    append(out, "Final-Recipient", typed_address("rfc822", r.recipient.text(), utf8));
    if (const std::string original = original_recipient(r, utf8); !original.empty())
      append(out, "Original-Recipient", original);
    append(out, "Action", action_name(r.action));
    append(out, "Status", status_of(r).text());
    if (!r.remote_mta.empty())
      append(out, "Remote-MTA", "dns; " + clean_line(r.remote_mta, address::max_domain, utf8));
    if (!r.remote_reply.empty() || !r.reason.empty()) append(out, "Diagnostic-Code", diagnostic(report, r));
    if (r.last_attempt) append(out, "Last-Attempt-Date", message::format_date(*r.last_attempt, report.zone));
    if (r.action == Action::delayed && r.retry_until)
      append(out, "Will-Retry-Until", message::format_date(*r.retry_until, report.zone));
  }
  return out;
}

}  // namespace postrider::dsn
