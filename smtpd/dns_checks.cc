#include "smtpd/dns_checks.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/address/domain.h"
#include "smtpd/server.h"

namespace postrider::smtpd {
namespace {

constexpr Seconds patience{10};  // of a client that waits for our answer to RCPT

constexpr std::array<std::string_view, 7> names = {
    "reject_unknown_client_hostname", "reject_unknown_reverse_client_hostname",
    "reject_unknown_client",          "reject_unknown_helo_hostname",
    "reject_unknown_hostname",        "reject_unknown_sender_domain",
    "reject_unknown_recipient_domain"};

Verdict refuse(int code, std::string_view detail, const std::string& text) {
  Verdict verdict;
  verdict.kind = Verdict::Kind::refuse;
  verdict.reply = smtp::Reply(code, fmt::format("{}.{} {}", code / 100, detail, text));
  return verdict;
}

// The DNS was no help: another restriction may still refuse for good, but nothing is let through.
Verdict defer(std::string_view detail, const std::string& text) {
  Verdict verdict;
  verdict.deferred = smtp::Reply(450, fmt::format("4.{} {}", detail, text));
  return verdict;
}

Verdict refuse_or_defer(const config::Integer& code, bool sure, std::string_view detail,
                        const std::string& text) {
  return sure ? refuse(static_cast<int>(code()), detail, text) : defer(detail, text);
}

event::Task<bool> is_ours(Server& server, std::string address) {
  protocol::Resolve question;
  question.addresses.push_back(std::move(address));
  const Result<protocol::Resolved> answer =
      co_await server.rewrite().ask<protocol::Resolved>(question, server.loop().after(patience));
  co_return answer && answer->routes.size() == 1 &&
      answer->routes.front().address_class != protocol::AddressClass::other;
}

event::Task<Verdict> check_domain(Server& server, std::string address, bool sender) {
  const std::size_t at = address.rfind('@');
  if (at == std::string::npos || at + 1 == address.size() || address[at + 1] == '[') co_return Verdict{};
  const std::string domain = address.substr(at + 1);
  const Result<std::string> ascii = address::to_ascii(domain);
  MailDomain found = MailDomain::absent;
  if (ascii) found = co_await look_up_mail_domain(server.resolver(), *ascii, server.loop().after(patience));
  const char* what = sender ? "Sender" : "Recipient";
  const char* detail = sender ? "1.8" : "1.2";
  switch (found) {
    case MailDomain::exists: break;
    case MailDomain::no_mail:
      co_return refuse(sender ? 550 : 556, sender ? "7.27" : "1.10",
                       fmt::format("<{}>: {} address rejected: Domain {} does not accept mail (nullMX)",
                                   address, what, domain));
    case MailDomain::absent:
    case MailDomain::unclear:
      co_return refuse_or_defer(server.config().unknown_address_code, found == MailDomain::absent, detail,
                                fmt::format("<{}>: {} address rejected: Domain not found", address, what));
  }
  co_return Verdict{};
}

}  // namespace

bool is_dns_check(std::string_view restriction) {
  return std::ranges::find(names, restriction) != names.end();
}

event::Task<MailDomain> look_up_mail_domain(dns::Resolver& resolver, std::string domain, MonoTime deadline) {
  bool unclear = false;
  for (const dns::Type type : {dns::Type::mx, dns::Type::a, dns::Type::aaaa}) {
    const Result<dns::Answer> answer = co_await resolver.lookup(domain, type, deadline);
    if (!answer) {
      if (answer.error().is(Trouble::permanent)) co_return MailDomain::absent;
      unclear = true;
      continue;
    }
    if (!answer->found()) continue;
    const bool null_mx =
        type == dns::Type::mx && answer->records.size() == 1 && answer->records.front().host.empty();
    co_return null_mx ? MailDomain::no_mail : MailDomain::exists;
  }
  co_return unclear ? MailDomain::unclear : MailDomain::absent;
}

event::Task<Verdict> check_with_dns(Server& server, std::string_view restriction, Situation at) {
  using Status = dns::ClientName::Status;
  const SmtpdConfig& config = server.config();
  if (restriction == "reject_unknown_client_hostname" || restriction == "reject_unknown_client") {
    if (at.client.name_status == Status::verified) co_return Verdict{};
    co_return refuse_or_defer(
        config.unknown_client_code, at.client.name_status != Status::temporary, "7.25",
        fmt::format("Client host rejected: cannot find your hostname, [{}]", at.client.address));
  }
  if (restriction == "reject_unknown_reverse_client_hostname") {
    if (at.client.reverse_status == Status::verified) co_return Verdict{};
    co_return refuse_or_defer(
        config.unknown_client_code, at.client.reverse_status != Status::temporary, "7.25",
        fmt::format("Client host rejected: cannot find your reverse hostname, [{}]", at.client.address));
  }
  if (restriction == "reject_unknown_helo_hostname" || restriction == "reject_unknown_hostname") {
    if (at.helo.empty() || at.helo.starts_with('[')) co_return Verdict{};
    const MailDomain found =
        co_await look_up_mail_domain(server.resolver(), std::string(at.helo), server.loop().after(patience));
    if (found == MailDomain::exists || found == MailDomain::no_mail) co_return Verdict{};
    co_return refuse_or_defer(config.unknown_hostname_code, found == MailDomain::absent, "7.1",
                              fmt::format("<{}>: Helo command rejected: Host not found", at.helo));
  }
  if (restriction == "reject_unknown_sender_domain") {
    if (!at.has_sender || at.sender.empty()) co_return Verdict{};
    const std::string sender(at.sender);
    const bool ours = co_await is_ours(server, at.sender_internal);
    if (ours) co_return Verdict{};
    Verdict verdict = co_await check_domain(server, sender, true);
    co_return verdict;
  }
  // Where mail for a domain of ours goes is not the DNS's business.
  if (at.recipient.empty() || !at.checked || at.checked->route.address_class != protocol::AddressClass::other)
    co_return Verdict{};
  Verdict verdict = co_await check_domain(server, std::string(at.recipient), false);
  co_return verdict;
}

}  // namespace postrider::smtpd
