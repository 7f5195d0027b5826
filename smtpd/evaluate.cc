// What restrictions decide: the evaluation of a list, in order.
#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/address/domain.h"
#include "lib/base/text.h"
#include "lib/config/list.h"
#include "smtpd/access.h"
#include "smtpd/dns_checks.h"
#include "smtpd/restrictions.h"
#include "smtpd/server.h"

namespace postrider::smtpd {

using protocol::LookedUp;
using Kind = Verdict::Kind;

namespace {

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

}  // namespace

// One access table against one set of keys, and its action.
event::Task<Verdict> RestrictionList::check_table(Server& server, const Restriction& restriction,
                                                  Situation at, std::vector<std::string> keys,
                                                  std::string what, int depth) const {
  constexpr int deepest = 10;
  protocol::Lookup question;
  question.parameter = parameter_;
  question.maps = restriction.argument;
  question.keys = std::move(keys);
  const LookedUp::Answer answer = co_await server.lookup(std::move(question));
  if (answer.status == LookedUp::Answer::Status::absent) co_return Verdict{};
  if (answer.status == LookedUp::Answer::Status::trouble) co_return refuse(server_configuration_error());
  AccessAction action = parse_access(answer.value, what, static_cast<int>(server.config().access_code()));
  Verdict verdict;
  switch (action.kind) {
    case AccessAction::Kind::dunno: break;
    case AccessAction::Kind::permit: co_return permit();
    case AccessAction::Kind::refuse: co_return refuse(std::move(action.reply));
    case AccessAction::Kind::defer_if_permit: verdict.deferred = std::move(action.reply); break;
    case AccessAction::Kind::hold: verdict.hold = true; break;
    case AccessAction::Kind::discard: verdict.discard = true; break;
    case AccessAction::Kind::redirect: verdict.redirect = std::move(action.text); break;
    case AccessAction::Kind::filter: verdict.filter = std::move(action.text); break;
    case AccessAction::Kind::prepend: verdict.prepend.push_back(std::move(action.text)); break;
    case AccessAction::Kind::warn:
      server.log().warning("{}: {}: {}", restriction.argument, what, action.text);
      break;
    case AccessAction::Kind::malformed:
      server.log().warning("access table {}, {}: {}", restriction.argument, answer.key, action.text);
      co_return refuse(server_configuration_error());
    case AccessAction::Kind::restrictions: {
      const Result<std::vector<std::string>> items = config::split_list(action.text);
      Result<RestrictionList> list;
      if (items)
        list = parse(*items, server.daemon().values(), server.config().restriction_classes(), parameter_);
      if (!items || !list || depth == deepest) {
        server.log().warning("access table {} has a malformed or endless action for {}: {}",
                             restriction.argument, answer.key, action.text);
        co_return refuse(server_configuration_error());
      }
      Verdict inner = co_await list->evaluate(server, at, what, depth + 1);
      co_return inner;
    }
  }
  co_return verdict;
}

namespace {

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
  if (name == "defer_if_permit") {
    Verdict later;
    later.deferred = code_reply(config.defer_code, "7.1", fmt::format("{}: Try again later", what));
    return later;
  }
  if (name == "reject_unlisted_recipient") {
    if (!at.checked) return Verdict{};
    std::optional<smtp::Reply> reply = unlisted(config, *at.checked, at.recipient, Party::recipient);
    return reply ? refuse(std::move(*reply)) : Verdict{};
  }
  if (name == "permit_mynetworks") return at.client.trusted ? permit() : Verdict{};
  if (name == "permit_inet_interfaces") return at.client.ip.is_loopback() ? permit() : Verdict{};
  if (name == "permit_sasl_authenticated") return at.sasl_username.empty() ? Verdict{} : permit();
  if (name == "permit_tls_clientcerts" || name == "permit_tls_all_clientcerts") return Verdict{};
  if (name == "permit_auth_destination")
    return at.checked && is_authorised_destination(config, at.checked->route) ? permit() : Verdict{};
  if (name == "reject_unauth_destination" || name == "defer_unauth_destination") {
    if (!at.checked || is_authorised_destination(config, at.checked->route)) return Verdict{};
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

event::Task<Verdict> RestrictionList::evaluate(Server& server, Situation at, std::string_view what,
                                               int depth) const {
  const KeyRules rules = server.key_rules();
  Verdict total;
  for (const Restriction& restriction : restrictions_) {
    const std::string& name = restriction.name;
    Verdict verdict;
    std::vector<std::string> keys;
    std::string about;
    bool known = true;
    if (std::optional<Verdict> decided = decide(server.config(), name, at, what)) {
      verdict = std::move(*decided);
    } else if (name == "reject_unlisted_sender") {
      if (!at.sender.empty()) {
        const protocol::RecipientChecked checked = co_await server.check_address("", at.sender_internal);
        std::optional<smtp::Reply> reply = unlisted(server.config(), checked, at.sender, Party::sender);
        if (reply) verdict = refuse(std::move(*reply));
      }
    } else if (name == "check_client_access" || name == "check_reverse_client_hostname_access") {
      const std::string& host = name == "check_client_access" ? at.client.name : at.client.reverse_name;
      if (host != "unknown") keys = domain_keys(host, rules);
      for (std::string& key : network_keys(at.client)) keys.push_back(std::move(key));
      about = fmt::format("<{}>: Client host rejected", at.client.logged);
    } else if (name == "check_helo_access") {
      keys = domain_keys(at.helo, rules);
      about = fmt::format("<{}>: Helo command rejected", at.helo);
    } else if (name == "check_sender_access") {
      if (at.has_sender) keys = address_keys(at.sender, rules);
      about = fmt::format("<{}>: Sender address rejected", at.sender);
    } else if (name == "check_recipient_access") {
      if (!at.recipient.empty()) keys = address_keys(at.recipient, rules);
      about = fmt::format("<{}>: Recipient address rejected", at.recipient);
    } else if (name == "check_sasl_access") {
      if (!at.sasl_username.empty()) keys = {std::string(at.sasl_username)};
      about = fmt::format("<{}>: SASL login name rejected", at.sasl_username);
    } else if (is_dns_check(name)) {
      verdict = co_await check_with_dns(server, name, at);
    } else {
      known = false;
    }
    if (!known) {
      server.log().warning("{}: unknown or unsupported restriction: {}", parameter_, name);
      verdict = refuse(server_configuration_error());
    } else if (!keys.empty()) {
      verdict = co_await check_table(server, restriction, at, std::move(keys), std::move(about), depth);
    }
    if (restriction.warn_only && (verdict.kind == Kind::refuse || verdict.deferred.code != 0)) {
      const smtp::Reply& reply = verdict.kind == Kind::refuse ? verdict.reply : verdict.deferred;
      server.log().info("NOQUEUE: reject_warning: {}: {}", at.client.logged, reply.text());
      continue;
    }
    total.add(std::move(verdict));
    if (total.kind != Kind::neutral) co_return total;
  }
  co_return total;
}

}  // namespace postrider::smtpd
