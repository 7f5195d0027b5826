#include "lib/message/received.h"

#include <fmt/core.h>

#include "lib/base/log.h"

namespace postrider::message {
namespace {

// Text from a peer inside a comment: nothing that ends or nests one, nothing that ends a line.
std::string in_comment(std::string_view text) {
  std::string out = printable(text.substr(0, 256));
  for (char& c : out)
    if (c == '(' || c == ')' || c == '\\' || c == '"') c = '?';
  return out;
}

std::string tls_lines(const ReceivedTls& tls) {
  std::string out = fmt::format("\n\t(using {} with cipher {} ({}/{} bits)", in_comment(tls.protocol),
                                in_comment(tls.cipher), tls.used_bits, tls.bits);
  if (!tls.key_exchange.empty()) {
    out += fmt::format("\n\t key-exchange {}", tls.key_exchange);
    if (!tls.server_signature.empty()) out += fmt::format(" server-signature {}", tls.server_signature);
    if (!tls.server_digest.empty()) out += fmt::format(" server-digest {}", tls.server_digest);
  }
  out += ')';
  if (tls.has_certificate)
    out += fmt::format("\n\t(Client CN \"{}\", Issuer \"{}\" ({}))", in_comment(tls.client_cn),
                       in_comment(tls.issuer_cn), tls.verified ? "verified OK" : "not verified");
  else if (tls.asked_for_certificate)
    out += "\n\t(Client did not present a certificate)";
  else
    out += "\n\t(No client certificate requested)";
  return out;
}

}  // namespace

std::string received_by_smtp(const Received& r) {
  const std::string& helo = r.helo.empty() ? r.client_name : r.helo;
  std::string out = fmt::format("Received: from {} ({} {})", printable(helo), in_comment(r.client_name),
                                r.client_address.literal());
  if (r.tls != nullptr) out += tls_lines(*r.tls);
  if (!r.sasl_username.empty())
    out += fmt::format("\n\t(Authenticated sender: {})", in_comment(r.sasl_username));
  out += fmt::format("\n\tby {} ({}) with {} id {}", r.hostname, r.mail_name, r.protocol, r.queue_id);
  if (r.recipient.empty())
    out += fmt::format(";\n\t{}\n", format_date(r.time, r.zone));
  else
    out += fmt::format("\n\tfor <{}>; {}\n", printable(r.recipient), format_date(r.time, r.zone));
  return out;
}

std::string received_from_user(std::string_view hostname, std::string_view mail_name, unsigned long uid,
                               std::string_view queue_id, WallTime time, const Zone& zone) {
  return fmt::format("Received: by {} ({}, from userid {})\n\tid {}; {}\n", hostname, mail_name, uid,
                     queue_id, format_date(time, zone));
}

std::string received_internally(std::string_view hostname, std::string_view mail_name,
                                std::string_view queue_id, WallTime time, const Zone& zone) {
  return fmt::format("Received: by {} ({})\n\tid {}; {}\n", hostname, mail_name, queue_id,
                     format_date(time, zone));
}

std::string with_protocol(bool lmtp, bool extended, bool tls, bool authenticated, bool utf8) {
  std::string out = utf8 ? (lmtp ? "UTF8LMTP" : "UTF8SMTP") : lmtp ? "LMTP" : extended ? "ESMTP" : "SMTP";
  if (extended || lmtp) {
    if (tls) out += 'S';
    if (authenticated) out += 'A';
  }
  return out;
}

}  // namespace postrider::message
