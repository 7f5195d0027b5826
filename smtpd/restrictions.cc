#include "smtpd/restrictions.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/address/domain.h"
#include "lib/base/text.h"
#include "lib/config/list.h"
#include "smtpd/server.h"

namespace postrider::smtpd {

using protocol::LookedUp;
using Kind = Verdict::Kind;

namespace {

constexpr std::array<std::string_view, 8> with_argument = {
    "check_client_access",    "check_helo_access",  "check_sender_access",
    "check_recipient_access", "check_ccert_access", "check_reverse_client_hostname_access",
    "check_sasl_access",      "check_etrn_access"};

bool takes_argument(std::string_view name) {
  return std::ranges::find(with_argument, name) != with_argument.end();
}

smtp::Reply server_configuration_error() { return {451, "4.3.5 Server configuration error"}; }

Verdict refuse(smtp::Reply reply) {
  Verdict verdict;
  verdict.kind = Kind::refuse;
  verdict.reply = std::move(reply);
  return verdict;
}

Verdict permit() {
  Verdict verdict;
  verdict.kind = Kind::permit;
  return verdict;
}

bool is_fqdn(std::string_view domain) {
  if (domain.starts_with('[')) return true;
  return domain.find('.') != std::string_view::npos && !domain.starts_with('.') && !domain.ends_with('.');
}

std::string_view domain_of(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

// access(5) keys, most specific first.
std::vector<std::string> network_keys(const Client& client) {
  std::vector<std::string> keys;
  keys.push_back(client.address);
  const char separator = client.ip.is_v4() ? '.' : ':';
  std::string rest = client.address;
  while (true) {
    const std::size_t cut = rest.rfind(separator);
    if (cut == std::string::npos) break;
    rest.resize(cut);
    if (!rest.empty() && rest.back() != separator) keys.push_back(rest);
  }
  return keys;
}

void add_domain_keys(std::vector<std::string>& keys, std::string_view domain) {
  std::string name = lower(domain);
  if (name.empty()) return;
  keys.push_back(name);
  // Parent domains, with the leading dot and without it (parent_domain_matches_subdomains).
  std::size_t dot = name.find('.');
  while (dot != std::string::npos && keys.size() < 150) {
    keys.push_back(name.substr(dot));
    keys.push_back(name.substr(dot + 1));
    dot = name.find('.', dot + 1);
  }
}

std::vector<std::string> address_keys(std::string_view address) {
  std::vector<std::string> keys;
  const std::string whole = lower(address);
  if (whole.empty()) return {"<>"};
  keys.push_back(whole);
  const std::size_t at = whole.rfind('@');
  add_domain_keys(keys, domain_of(whole));
  keys.push_back(whole.substr(0, at) + "@");
  return keys;
}

// "550 5.7.1 text" or "450 text" of access(5); nullopt when it is no reply.
std::optional<smtp::Reply> parse_reply_action(std::string_view action) {
  if (action.size() < 3 || !is_digit(action[0]) || !is_digit(action[1]) || !is_digit(action[2]))
    return std::nullopt;
  const int code = *parse_number<int>(action.substr(0, 3));
  if (code < 400 || code > 599) return std::nullopt;
  std::string_view rest = trim(action.substr(3));
  const std::string text(rest.empty() ? "Access denied" : rest);
  smtp::Reply reply(code, text);
  if (!reply.status.present()) reply = smtp::Reply(code, fmt::format("{}.7.1 {}", code / 100, text));
  return reply;
}

}  // namespace

smtp::Reply relay_denied(const SmtpdConfig& config, std::string_view recipient) {
  const auto code = static_cast<int>(config.relay_code());
  return {code, fmt::format("{}.7.1 <{}>: Relay access denied", code / 100, recipient)};
}

bool is_authorised_destination(const SmtpdConfig& config, const protocol::Route& route,
                               std::string_view recipient) {
  if (route.address_class == protocol::AddressClass::other) return false;
  if (route.address_class != protocol::AddressClass::relay || config.untrusted_routing()) return true;
  // The next host might forward to where the local part says.
  const std::string_view local = recipient.substr(0, recipient.rfind('@'));
  return local.find_first_of("@%!") == std::string_view::npos;
}

Result<RestrictionList> RestrictionList::parse(const std::vector<std::string>& items,
                                               const config::Values& values,
                                               const std::vector<std::string>& classes,
                                               const std::string& parameter) {
  RestrictionList list;
  list.parameter_ = parameter;
  bool warn = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Restriction restriction;
    restriction.name = lower(items[i]);
    if (restriction.name == "warn_if_reject") {
      warn = true;
      continue;
    }
    restriction.warn_only = std::exchange(warn, false);
    if (std::ranges::find(classes, items[i]) != classes.end()) {
      const Result<std::string> text = values.text(items[i]);
      if (!text) return std::unexpected(text.error());
      std::vector<std::string> others = classes;
      std::erase(others, items[i]);
      const Result<std::vector<std::string>> inner = config::split_list(*text);
      if (!inner) return std::unexpected(inner.error());
      const Result<RestrictionList> nested = parse(*inner, values, others, items[i]);
      if (!nested) return std::unexpected(nested.error());
      list.restrictions_.insert(list.restrictions_.end(), nested->restrictions_.begin(),
                                nested->restrictions_.end());
      continue;
    }
    if (restriction.name.find(':') != std::string::npos && !takes_argument(restriction.name)) {
      // A bare table: looked up with what the list is about.
      const std::string_view about = parameter.find("client") != std::string::npos ? "check_client_access"
                                     : parameter.find("helo") != std::string::npos ? "check_helo_access"
                                     : parameter.find("sender") != std::string::npos
                                         ? "check_sender_access"
                                         : "check_recipient_access";
      restriction.argument = items[i];
      restriction.name = about;
    } else if (takes_argument(restriction.name)) {
      if (i + 1 == items.size())
        return fail(Trouble::configuration,
                    fmt::format("{}: {} must be followed by a table, such as hash:/etc/postrider/access",
                                parameter, items[i]));
      restriction.argument = items[++i];
    }
    list.restrictions_.push_back(std::move(restriction));
  }
  return list;
}

bool RestrictionList::protects_relay() const {
  constexpr std::array<std::string_view, 5> protecting = {
      "reject", "defer", "defer_if_permit", "reject_unauth_destination", "defer_unauth_destination"};
  return std::ranges::any_of(restrictions_, [&](const Restriction& restriction) {
    return !restriction.warn_only && std::ranges::find(protecting, restriction.name) != protecting.end();
  });
}

namespace {

// One access table against one set of keys, and its action.
event::Task<Verdict> check_table(Server& server, const Restriction& restriction, std::string parameter,
                                 std::vector<std::string> keys, std::string what) {
  protocol::Lookup question;
  question.parameter = std::move(parameter);
  question.maps = restriction.argument;
  question.keys = std::move(keys);
  const LookedUp::Answer answer = co_await server.lookup(std::move(question));
  if (answer.status == LookedUp::Answer::Status::absent) co_return Verdict{};
  if (answer.status == LookedUp::Answer::Status::trouble) co_return refuse(server_configuration_error());
  const std::string_view value = trim(answer.value);
  const std::size_t blank = value.find_first_of(" \t");
  const std::string action = lower(value.substr(0, blank));
  const std::string_view text =
      blank == std::string_view::npos ? std::string_view() : trim(value.substr(blank));
  Verdict verdict;
  if (action == "ok" || action == "relay" || action == "permit" ||
      parse_number<unsigned long>(action).has_value()) {
    // An all-digit value below 400 means OK; what looks like a reply was excluded by its text.
    const std::optional<smtp::Reply> reply = parse_reply_action(value);
    if (reply) co_return refuse(*reply);
    co_return permit();
  }
  if (action == "dunno" || action.empty()) co_return verdict;
  const auto code = static_cast<int>(server.config().access_code());
  if (action == "reject")
    co_return refuse(
        {code, fmt::format("{}.7.1 {}: {}", code / 100, what, text.empty() ? "Access denied" : text)});
  if (action == "defer" || action == "defer_if_permit")
    co_return refuse({450, fmt::format("4.7.1 {}: {}", what, text.empty() ? "Access denied" : text)});
  if (action == "hold")
    verdict.hold = true;
  else if (action == "discard")
    verdict.discard = true;
  else if (action == "redirect")
    verdict.redirect = text;
  else if (action == "filter")
    verdict.filter = text;
  else if (action == "prepend")
    verdict.prepend.emplace_back(text);
  else if (action == "warn" || action == "info")
    server.log().warning("{}: {}: {}", restriction.argument, what, text);
  else if (const std::optional<smtp::Reply> reply = parse_reply_action(value))
    co_return refuse(*reply);
  else if (action == "reject_unauth_destination" || action == "permit_mynetworks") {
    co_return verdict;
  } else {
    server.log().warning("access table {} has an unknown action for {}: {}", restriction.argument, answer.key,
                         value);
    co_return refuse(server_configuration_error());
  }
  co_return verdict;
}

void merge(Verdict& into, Verdict& from) {
  into.hold |= from.hold;
  into.discard |= from.discard;
  if (!from.redirect.empty()) into.redirect = std::move(from.redirect);
  if (!from.filter.empty()) into.filter = std::move(from.filter);
  for (std::string& line : from.prepend) into.prepend.push_back(std::move(line));
}

// The restrictions that need nothing but the situation; nullopt for those it does not know.
std::optional<Verdict> decide(const SmtpdConfig& config, const std::string& name, const Situation& at,
                              std::string_view what) {
  const auto code_reply = [](const config::Integer& code, std::string_view detail, const std::string& text) {
    return smtp::Reply(static_cast<int>(code()), fmt::format("{}.{} {}", code() / 100, detail, text));
  };
  if (name == "permit") return permit();
  if (name == "reject")
    return refuse(code_reply(config.reject_code, "7.1", fmt::format("{}: Access denied", what)));
  if (name == "defer")
    return refuse(code_reply(config.defer_code, "3.2", fmt::format("{}: Try again later", what)));
  if (name == "permit_mynetworks") return at.client.trusted ? permit() : Verdict{};
  if (name == "permit_inet_interfaces") return at.client.ip.is_loopback() ? permit() : Verdict{};
  if (name == "permit_sasl_authenticated") return at.sasl_username.empty() ? Verdict{} : permit();
  if (name == "permit_tls_clientcerts" || name == "permit_tls_all_clientcerts") return Verdict{};
  if (name == "permit_auth_destination")
    return at.route && is_authorised_destination(config, *at.route, at.recipient) ? permit() : Verdict{};
  if (name == "reject_unauth_destination" || name == "defer_unauth_destination") {
    if (!at.route || is_authorised_destination(config, *at.route, at.recipient)) return Verdict{};
    smtp::Reply reply = relay_denied(config, at.recipient);
    if (name == "defer_unauth_destination" && reply.code >= 500)
      reply = smtp::Reply(454, fmt::format("4.7.1 <{}>: Relay access denied", at.recipient));
    return refuse(std::move(reply));
  }
  if (name == "reject_unauth_pipelining")
    return at.pipelined
               ? refuse({503, fmt::format("5.5.0 {}: Data command rejected: Improper use of SMTP command "
                                          "pipelining",
                                          what)})
               : Verdict{};
  if (name == "reject_non_fqdn_sender" && at.has_sender)
    return at.sender.empty() || is_fqdn(domain_of(at.sender))
               ? Verdict{}
               : refuse(code_reply(
                     config.non_fqdn_code, "5.2",
                     fmt::format("<{}>: Sender address rejected: need fully-qualified address", at.sender)));
  if (name == "reject_non_fqdn_recipient" && !at.recipient.empty())
    return is_fqdn(domain_of(at.recipient))
               ? Verdict{}
               : refuse(
                     code_reply(config.non_fqdn_code, "5.2",
                                fmt::format("<{}>: Recipient address rejected: need fully-qualified address",
                                            at.recipient)));
  if (name == "reject_non_fqdn_helo_hostname" || name == "reject_non_fqdn_hostname")
    return at.helo.empty() || is_fqdn(at.helo)
               ? Verdict{}
               : refuse(code_reply(
                     config.non_fqdn_code, "5.2",
                     fmt::format("<{}>: Helo command rejected: need fully-qualified hostname", at.helo)));
  if (name == "reject_invalid_helo_hostname" || name == "reject_invalid_hostname") {
    const bool valid = at.helo.empty() || at.helo.starts_with('[')
                           ? at.helo.empty() || address::IpAddress::parse_bracketed(at.helo).has_value()
                           : address::valid_hostname(at.helo);
    return valid ? Verdict{}
                 : refuse(code_reply(config.invalid_host_code, "5.2",
                                     fmt::format("<{}>: Helo command rejected: Invalid name", at.helo)));
  }
  if (name == "reject_non_fqdn_sender" || name == "reject_non_fqdn_recipient") return Verdict{};
  return std::nullopt;
}

}  // namespace

event::Task<Verdict> RestrictionList::evaluate(Server& server, Situation at, std::string_view what) const {
  Verdict total;
  for (const Restriction& restriction : restrictions_) {
    const std::string& name = restriction.name;
    Verdict verdict;
    if (std::optional<Verdict> decided = decide(server.config(), name, at, what)) {
      verdict = std::move(*decided);
    } else if (name == "reject_unlisted_recipient" || name == "reject_unlisted_sender") {
      continue;  // smtpd_reject_unlisted_recipient does it for every recipient
    } else if (name == "check_client_access" || name == "check_reverse_client_hostname_access") {
      std::vector<std::string> keys;
      const std::string& host = name == "check_client_access" ? at.client.name : at.client.reverse_name;
      if (host != "unknown") add_domain_keys(keys, host);
      for (std::string& key : network_keys(at.client)) keys.push_back(std::move(key));
      verdict = co_await check_table(server, restriction, parameter_, std::move(keys),
                                     fmt::format("<{}>: Client host rejected", at.client.logged));
    } else if (name == "check_helo_access") {
      std::vector<std::string> keys;
      add_domain_keys(keys, at.helo);
      if (!keys.empty())
        verdict = co_await check_table(server, restriction, parameter_, std::move(keys),
                                       fmt::format("<{}>: Helo command rejected", at.helo));
    } else if (name == "check_sender_access") {
      if (at.has_sender)
        verdict = co_await check_table(server, restriction, parameter_, address_keys(at.sender),
                                       fmt::format("<{}>: Sender address rejected", at.sender));
    } else if (name == "check_recipient_access") {
      if (!at.recipient.empty())
        verdict = co_await check_table(server, restriction, parameter_, address_keys(at.recipient),
                                       fmt::format("<{}>: Recipient address rejected", at.recipient));
    } else if (name == "check_sasl_access") {
      if (!at.sasl_username.empty())
        verdict = co_await check_table(server, restriction, parameter_, {std::string(at.sasl_username)},
                                       fmt::format("<{}>: SASL login name rejected", at.sasl_username));
    } else {
      server.log().warning("{}: unknown or unsupported restriction: {}", parameter_, name);
      verdict = refuse(server_configuration_error());
    }
    if (verdict.kind == Kind::refuse && restriction.warn_only) {
      server.log().info("NOQUEUE: reject_warning: {}: {}", at.client.logged, verdict.reply.text());
      continue;
    }
    merge(total, verdict);
    if (verdict.kind != Kind::neutral) {
      total.kind = verdict.kind;
      total.reply = std::move(verdict.reply);
      co_return total;
    }
  }
  co_return total;
}

}  // namespace postrider::smtpd
