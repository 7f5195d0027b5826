// MAIL and RCPT: paths with their ESMTP parameters, read and written.
#include <utility>

#include <fmt/core.h>

#include "lib/address/path.h"
#include "lib/base/text.h"
#include "lib/base/utf8.h"
#include "lib/smtp/command.h"
#include "lib/smtp/xtext.h"

namespace postrider::smtp {
namespace {

std::unexpected<Reply> refuse(int code, std::string_view text) { return std::unexpected(Reply(code, text)); }

// RFC 5321 4.1.2: esmtp-param, split at the first '='.
struct Parameter {
  std::string_view text;
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};

Parameter take_parameter(std::string_view& text) {
  const std::size_t size = std::min(text.find_first_of(" \t"), text.size());
  Parameter out;
  out.text = text.substr(0, size);
  const std::size_t equals = out.text.find('=');
  out.keyword = out.text.substr(0, equals);
  out.has_value = equals != std::string_view::npos;
  if (out.has_value) out.value = out.text.substr(equals + 1);
  text = trim(text.substr(size));
  return out;
}

bool is_printable_ascii(std::string_view text) {
  for (const char c : text)
    if (c < ' ' || c > '~') return false;
  return true;
}

// "FROM:" or "TO:" and the path after it; leaves the parameters in `arguments`.
struct PathWords {
  std::string_view keyword;      // "FROM:"
  std::string_view syntax;       // reply when there is no keyword
  std::string_view bad_address;  // reply when the path is malformed
};
constexpr PathWords mail_words{"FROM:", "5.5.4 Syntax: MAIL FROM:<address>",
                               "5.1.7 Bad sender address syntax"};
constexpr PathWords rcpt_words{"TO:", "5.5.4 Syntax: RCPT TO:<address>",
                               "5.1.3 Bad recipient address syntax"};

Parsed<address::Address> take_path(std::string_view& arguments, const PathWords& words,
                                   const EnvelopeRules& rules, bool allow_null) {
  if (!istarts_with(arguments, words.keyword)) return refuse(501, words.syntax);
  arguments.remove_prefix(words.keyword.size());
  // DEVIATES RFC 5321 4.1.1.2: a blank after the colon is taken unless strict, as everybody does.
  if (!rules.strict) arguments = trim(arguments);
  if (arguments.empty()) return refuse(501, words.syntax);
  auto path = address::parse_path(arguments, {rules.strict, rules.utf8, allow_null});
  if (!path) return refuse(501, words.bad_address);
  arguments.remove_prefix(path->size);
  if (!arguments.empty() && !is_space(arguments.front())) return refuse(501, words.bad_address);
  arguments = trim(arguments);
  return std::move(path->address);
}

// Why a parameter was not taken.
std::unexpected<Reply> unsupported(const Parameter& parameter) {
  return refuse(555, fmt::format("5.5.4 Unsupported option: {}", parameter.text.substr(0, 100)));
}
std::unexpected<Reply> duplicate(const Parameter& parameter) {
  return refuse(501, fmt::format("5.5.4 Error: duplicate {} parameter", upper(parameter.keyword)));
}

Parsed<void> take_size(MailArguments& mail, std::string_view value) {
  const auto size = parse_number<std::uint64_t>(value);
  if (size && *size <= INT64_MAX) {
    mail.size = *size;
    return {};
  }
  for (const char c : value)
    if (!is_digit(c)) return refuse(501, "5.5.4 Bad message size syntax");
  if (value.empty()) return refuse(501, "5.5.4 Bad message size syntax");
  return refuse(552, "5.3.4 Message size exceeds file system imposed limit");
}

Parsed<void> take_envid(MailArguments& mail, std::string_view value) {
  auto decoded = xtext_decode(value);
  if (!decoded || decoded->empty() || decoded->size() > max_envid || !is_printable_ascii(*decoded))
    return refuse(501, "5.5.4 Bad ENVID parameter syntax");
  mail.envid = std::move(*decoded);
  return {};
}

Parsed<void> take_auth(MailArguments& mail, std::string_view value) {
  auto decoded = xtext_decode(value);
  if (!decoded || decoded->empty() || decoded->size() > address::max_path || !is_plain_utf8(*decoded))
    return refuse(501, "5.5.4 Malformed AUTH= parameter");
  mail.auth = std::move(*decoded);
  return {};
}

// RFC 6152, RFC 3030.
Parsed<void> take_body(MailArguments& mail, const Parameter& p, const EnvelopeRules& rules) {
  if (iequals(p.value, "7BIT"))
    mail.body = Body::seven_bit;
  else if (iequals(p.value, "8BITMIME"))
    mail.body = Body::eight_bit;
  else if (iequals(p.value, "BINARYMIME") && rules.binary)
    mail.body = Body::binary;
  else
    return unsupported(p);
  return {};
}

Parsed<void> take_mail_parameter(MailArguments& mail, const Parameter& p, const EnvelopeRules& rules) {
  const auto is = [&](std::string_view keyword, bool offered) {
    return offered && p.has_value && iequals(p.keyword, keyword);
  };
  if (is("SIZE", rules.size)) return mail.size ? Parsed<void>(duplicate(p)) : take_size(mail, p.value);
  if (is("BODY", rules.eight_bit))
    return mail.body != Body::unset ? Parsed<void>(duplicate(p)) : take_body(mail, p, rules);
  if (is("ENVID", rules.dsn))
    return mail.envid.empty() ? take_envid(mail, p.value) : Parsed<void>(duplicate(p));
  if (is("AUTH", rules.auth)) return mail.auth ? Parsed<void>(duplicate(p)) : take_auth(mail, p.value);
  if (is("RET", rules.dsn)) {
    const Return wanted = iequals(p.value, "FULL")   ? Return::full
                          : iequals(p.value, "HDRS") ? Return::headers
                                                     : Return::unset;
    if (wanted == Return::unset || mail.ret != Return::unset)
      return refuse(501, "5.5.4 Bad RET parameter syntax");
    mail.ret = wanted;
    return {};
  }
  if (rules.smtputf8 && iequals(p.text, "SMTPUTF8")) {
    mail.smtputf8 = true;
    return {};
  }
  if (rules.require_tls && iequals(p.text, "REQUIRETLS")) {
    mail.require_tls = true;
    return {};
  }
  // Postfix's extension: XVERP, or XVERP with two delimiters.
  if (rules.verp && iequals(p.keyword, "XVERP") && p.has_value == (p.value.size() == 2)) {
    if (mail.verp) return duplicate(p);
    mail.verp = p.value;
    return {};
  }
  return unsupported(p);
}

}  // namespace

std::string Notify::text() const {
  if (has(never)) return "NEVER";
  std::string out;
  const auto add = [&](std::uint8_t bit, std::string_view name) {
    if (!has(bit)) return;
    if (!out.empty()) out += ',';
    out += name;
  };
  add(success, "SUCCESS");
  add(failure, "FAILURE");
  add(delay, "DELAY");
  return out;
}

std::optional<Notify> Notify::parse(std::string_view text) {
  if (iequals(text, "NEVER")) return Notify{never};
  if (text.size() > 64) return std::nullopt;
  Notify out;
  for (const std::string_view word : split(text, ',')) {
    const std::uint8_t bit = iequals(word, "SUCCESS")   ? success
                             : iequals(word, "FAILURE") ? failure
                             : iequals(word, "DELAY")   ? delay
                                                        : std::uint8_t{0};
    if (bit == 0) return std::nullopt;
    out.bits = static_cast<std::uint8_t>(out.bits | bit);
  }
  return out;
}

std::optional<std::string> decode_orcpt(std::string_view text) {
  const std::size_t semicolon = text.find(';');
  if (semicolon == 0 || semicolon == std::string_view::npos || text.size() > 8 * max_orcpt)
    return std::nullopt;
  const std::string_view type = text.substr(0, semicolon);
  for (const char c : type)
    if (!is_alnum(c) && c != '-') return std::nullopt;  // RFC 3461 4.2: an atom; registered types are these
  const bool utf8 = iequals(type, "utf-8");
  // A utf-8 address may come unencoded under SMTPUTF8 (RFC 6533 section 3).
  auto address = utf8 && !is_ascii(text) ? std::optional<std::string>(text.substr(semicolon + 1))
                                         : xtext_decode(text.substr(semicolon + 1));
  if (address && utf8) address = utf8_address_decode(*address);
  if (!address || address->empty()) return std::nullopt;
  std::string out = fmt::format("{};{}", type, *address);
  if (out.size() > max_orcpt || !(utf8 ? is_plain_utf8(out) : is_printable_ascii(out))) return std::nullopt;
  return out;
}

Parsed<MailArguments> parse_mail(std::string_view arguments, const EnvelopeRules& rules) {
  MailArguments mail;
  auto sender = take_path(arguments, mail_words, rules, true);
  if (!sender) return std::unexpected(std::move(sender.error()));
  mail.sender = std::move(*sender);
  while (!arguments.empty()) {
    const Parameter parameter = take_parameter(arguments);
    if (auto taken = take_mail_parameter(mail, parameter, rules); !taken)
      return std::unexpected(std::move(taken.error()));
  }
  return mail;
}

Parsed<RcptArguments> parse_rcpt(std::string_view arguments, const EnvelopeRules& rules) {
  RcptArguments rcpt;
  auto recipient = take_path(arguments, rcpt_words, rules, false);
  if (!recipient) return std::unexpected(std::move(recipient.error()));
  rcpt.recipient = std::move(*recipient);
  while (!arguments.empty()) {
    const Parameter p = take_parameter(arguments);
    if (rules.dsn && p.has_value && iequals(p.keyword, "NOTIFY")) {
      const auto notify = Notify::parse(p.value);
      if (!notify || rcpt.notify.given()) return refuse(501, "5.5.4 Error: Bad NOTIFY parameter syntax");
      rcpt.notify = *notify;
    } else if (rules.dsn && p.has_value && iequals(p.keyword, "ORCPT")) {
      auto orcpt = decode_orcpt(p.value);
      if (!orcpt || !rcpt.orcpt.empty()) return refuse(501, "5.5.4 Error: Bad ORCPT parameter syntax");
      rcpt.orcpt = std::move(*orcpt);
    } else {
      return unsupported(p);
    }
  }
  return rcpt;
}

std::string mail_command(const MailArguments& mail) {
  std::string out = "MAIL FROM:" + mail.sender.path();
  if (mail.size) out += fmt::format(" SIZE={}", *mail.size);
  if (mail.body == Body::seven_bit) out += " BODY=7BIT";
  if (mail.body == Body::eight_bit) out += " BODY=8BITMIME";
  if (mail.body == Body::binary) out += " BODY=BINARYMIME";
  if (mail.smtputf8) out += " SMTPUTF8";
  if (mail.require_tls) out += " REQUIRETLS";
  if (mail.ret == Return::full) out += " RET=FULL";
  if (mail.ret == Return::headers) out += " RET=HDRS";
  if (!mail.envid.empty()) out += " ENVID=" + xtext_encode(mail.envid);
  if (mail.auth) out += " AUTH=" + xtext_encode(*mail.auth);
  return out;
}

std::string rcpt_command(const RcptArguments& rcpt) {
  std::string out = "RCPT TO:" + rcpt.recipient.path();
  if (rcpt.notify.given()) out += " NOTIFY=" + rcpt.notify.text();
  const std::size_t semicolon = rcpt.orcpt.find(';');
  if (semicolon != std::string::npos) {
    const std::string type = rcpt.orcpt.substr(0, semicolon);
    const std::string address = rcpt.orcpt.substr(semicolon + 1);
    const bool utf8 = iequals(type, "utf-8");
    out += " ORCPT=" + type + ";" + xtext_encode(utf8 ? utf8_address_encode(address) : address);
  }
  return out;
}

}  // namespace postrider::smtp
