#include "smtp/finder.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/event/scope.h"
#include "lib/io/ended.h"

namespace postrider::smtp_client {
namespace {

constexpr Seconds dns_patience{60};
constexpr std::size_t most_hosts = 40;  // MX hosts of one destination whose addresses are looked up
constexpr std::uint16_t mail_port = 25;

Failure failure(std::string dsn, std::string reason) {
  return {.dsn = std::move(dsn), .reason = std::move(reason), .remote_mta = {}, .remote_reply = {}};
}

// As Postfix words all of them.
std::string name_error(std::string_view name, dns::Type type, std::string_view trouble) {
  return fmt::format("Host or domain name not found. Name service error for name={} type={}: {}", name,
                     dns::type_name(type), trouble);
}

const char* absence(const dns::Answer& answer) {
  return answer.outcome == dns::Answer::Outcome::no_name ? "Host not found"
                                                         : "Host found but no data record of requested type";
}

Failure lookup_failure(std::string_view name, dns::Type type, const Error& error) {
  return failure(error.is(Trouble::permanent) ? "5.4.4" : "4.4.3", name_error(name, type, error.text()));
}

}  // namespace

MonoTime Finder::deadline() const { return here_.loop.after(dns_patience); }

Ordering Finder::ordering() const {
  return {here_.config.address_preference(), here_.config.randomize_addresses(),
          here_.config.balance_protocols(), static_cast<std::size_t>(here_.config.mx_address_limit())};
}

event::Task<Found> Finder::find(Nexthop nexthop) {
  if (nexthop.kind == Nexthop::Kind::socket) {
    Target target;
    target.host = here_.hostname;
    target.path = nexthop.name;
    target.best = true;
    co_return std::vector<Target>{std::move(target)};
  }
  if (nexthop.kind == Nexthop::Kind::domain && here_.config.uses_dns()) {
    Found found = co_await find_by_mx(std::move(nexthop));
    co_return found;
  }
  Found found = co_await find_host(std::move(nexthop));
  co_return found;
}

std::vector<Target> Finder::targets_of(const std::vector<address::IpAddress>& addresses,
                                       const std::string& host, const Nexthop& nexthop,
                                       std::uint16_t preference) const {
  std::vector<Target> targets;
  for (const address::IpAddress& ip : addresses) {
    Target target;
    target.host = host;
    target.ip = ip;
    target.port = nexthop.port;
    target.preference = preference;
    target.detect_loop = !here_.config.is_lmtp() && nexthop.port == mail_port;
    targets.push_back(std::move(target));
  }
  return targets;
}

event::Task<> Finder::ask(std::string host, dns::Type type, Result<dns::Answer>& into, bool& stopped) {
  try {
    into = co_await here_.resolver.lookup(std::move(host), type, deadline());
  } catch (const io::Ended&) {
    stopped = true;
  }
}

event::Task<std::expected<std::vector<address::IpAddress>, Failure>> Finder::addresses(std::string host) {
  std::vector<address::IpAddress> found;
  const auto speaks = [&](const address::IpAddress& ip) { return ip.is_v4() ? here_.ipv4 : here_.ipv6; };
  if (const auto ip = address::IpAddress::parse(host)) {
    if (speaks(*ip)) co_return std::vector<address::IpAddress>{*ip};
    co_return std::unexpected(failure(
        "5.4.4", fmt::format("unable to look up host {}: Address family for hostname not supported", host)));
  }
  if (here_.native || !here_.config.uses_dns()) {
    for (const address::IpAddress& ip : here_.hosts.addresses(host))
      if (speaks(ip)) found.push_back(ip);
    if (!found.empty()) co_return found;
  }
  std::array<Result<dns::Answer>, 2> answers{dns::Answer(), dns::Answer()};
  constexpr std::array types{dns::Type::a, dns::Type::aaaa};
  const std::array wanted{here_.ipv4, here_.ipv6};
  bool stopped = false;
  {
    event::TaskScope both(here_.loop);
    for (std::size_t i = 0; i < answers.size(); ++i)
      if (wanted[i]) both.spawn(ask(host, types[i], answers[i], stopped));
    co_await both.join();
  }
  if (stopped) throw io::Ended{io::Ended::Why::stopped, ""};
  std::optional<Failure> trouble;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!wanted[i]) continue;
    if (!answers[i]) {
      Failure one = lookup_failure(host, types[i], answers[i].error());
      if (!trouble || one.soft()) trouble = std::move(one);
      continue;
    }
    for (const dns::Record& record : answers[i]->records)
      if (speaks(record.ip)) found.push_back(record.ip);
    if (!trouble) trouble = failure("5.4.4", name_error(host, types[i], absence(*answers[i])));
  }
  if (!found.empty()) co_return found;
  if (!trouble) trouble = failure("5.4.4", name_error(host, dns::Type::a, "Host not found"));
  co_return std::unexpected(std::move(*trouble));
}

event::Task<> Finder::fill(std::string host, std::expected<std::vector<address::IpAddress>, Failure>& into,
                           bool& stopped) {
  try {
    into = co_await addresses(std::move(host));
  } catch (const io::Ended&) {
    stopped = true;
  }
}

event::Task<Found> Finder::find_host(Nexthop nexthop) {
  std::expected<std::vector<address::IpAddress>, Failure> found = co_await addresses(nexthop.name);
  if (!found) co_return std::unexpected(std::move(found.error()));
  std::vector<Target> targets = targets_of(*found, nexthop.name, nexthop, 0);
  if (!targets.empty() && targets.front().detect_loop) {
    bool self = false;
    targets = before_self(std::move(targets), here_.own, self);
    if (targets.empty())
      co_return std::unexpected(
          failure("5.4.6", fmt::format("mail for {} loops back to myself", nexthop.name)));
  }
  for (Target& target : targets) target.best = true;
  co_return in_order(std::move(targets), ordering(), here_.random);
}

event::Task<Found> Finder::find_by_mx(Nexthop nexthop) {
  const std::string domain = nexthop.name;
  const Result<dns::Answer> answer = co_await here_.resolver.lookup(domain, dns::Type::mx, deadline());
  if (!answer || !answer->found()) {
    // RFC 5321 5.1: without MX records the domain is its own mail host.
    const bool own_address = answer || here_.config.ignore_mx_lookup_error();
    if (!own_address) co_return std::unexpected(lookup_failure(domain, dns::Type::mx, answer.error()));
    Found found = co_await find_host(std::move(nexthop));
    co_return found;
  }
  std::vector<dns::Record> records = answer->records;
  if (records.size() == 1 && records.front().host.empty())
    co_return std::unexpected(
        failure("5.1.10", fmt::format("Domain {} does not accept mail (nullMX)", domain)));
  std::erase_if(records, [](const dns::Record& record) { return record.host.empty(); });
  if (records.empty())
    co_return std::unexpected(
        failure("5.4.4", name_error(domain, dns::Type::mx, "Malformed or unexpected name server reply")));
  std::ranges::sort(records, {}, [](const dns::Record& one) { return std::pair(one.preference, one.host); });
  if (records.size() > most_hosts) records.resize(most_hosts);
  const std::uint16_t best = records.front().preference;

  // Preference by preference, until there are enough addresses to try.
  const std::size_t enough = static_cast<std::size_t>(here_.config.mx_address_limit());
  std::vector<Target> targets;
  std::optional<Failure> trouble;
  for (std::size_t from = 0; from < records.size() && (enough == 0 || targets.size() < enough);) {
    std::size_t to = from;
    while (to < records.size() && records[to].preference == records[from].preference) ++to;
    std::vector<std::expected<std::vector<address::IpAddress>, Failure>> found(to - from);
    bool stopped = false;
    {
      event::TaskScope all(here_.loop);
      for (std::size_t i = from; i < to; ++i) all.spawn(fill(records[i].host, found[i - from], stopped));
      co_await all.join();
    }
    if (stopped) throw io::Ended{io::Ended::Why::stopped, ""};
    for (std::size_t i = from; i < to; ++i) {
      if (!found[i - from]) {
        if (!trouble || found[i - from].error().soft()) trouble = std::move(found[i - from].error());
        continue;
      }
      for (Target& target : targets_of(*found[i - from], records[i].host, nexthop, records[i].preference))
        if (std::ranges::find(targets, target) == targets.end()) targets.push_back(std::move(target));
    }
    from = to;
  }
  if (targets.empty()) {
    here_.log.warning("no MX host for {} has a valid address record", domain);
    if (here_.config.defer_if_no_mx_address() && !trouble->soft()) trouble->dsn[0] = '4';
    co_return std::unexpected(std::move(*trouble));
  }
  if (targets.front().detect_loop) {
    const std::uint16_t best_found = std::ranges::min(targets, {}, &Target::preference).preference;
    bool self = false;
    targets = before_self(std::move(targets), here_.own, self);
    if (targets.empty()) {
      // We are a backup, and the servers before us cannot be looked up now.
      if (best_found != best)
        co_return std::unexpected(
            failure("4.4.4", fmt::format("unable to find primary relay for {}", domain)));
      co_return std::unexpected(failure("5.4.6", fmt::format("mail for {} loops back to myself", domain)));
    }
  }
  for (Target& target : targets) target.best = target.preference == best;
  co_return in_order(std::move(targets), ordering(), here_.random);
}

}  // namespace postrider::smtp_client
