#include "smtp/run.h"

#include <algorithm>
#include <memory>

#include <fmt/core.h>

#include "lib/address/address.h"
#include "lib/base/text.h"
#include "lib/config/own_networks.h"
#include "lib/daemon/delivery_agent.h"
#include "lib/daemon/dns_config.h"
#include "lib/os/files.h"
#include "smtp/delivery.h"

namespace postrider::smtp_client {
namespace {

constexpr std::size_t longest_ca_file = 16U << 20;

struct Sections {
  explicit Sections(const char* program) : client(program) {}
  ClientConfig client;
  daemon::DnsConfig dns;
  config::Identity identity;
  config::Network network;
  config::Domains domains;
  config::Limits limits;
};

std::unexpected<Error> misconfigured(const config::Setting& setting, const std::string& value,
                                     const char* legal) {
  return fail(Trouble::configuration, fmt::format("parameter {}: \"{}\": {}", setting.name(), value, legal));
}

Result<std::optional<address::IpAddress>> parse_bind(const config::Text& setting, bool v4) {
  if (setting().empty()) return std::nullopt;
  const auto ip = address::IpAddress::parse_bracketed(setting());
  if (!ip || ip->is_v4() != v4)
    return misconfigured(setting, setting(), v4 ? "expected an IPv4 address" : "expected an IPv6 address");
  return ip;
}

// The addresses under which mail reaches this machine.
std::vector<address::IpAddress> own_addresses(const config::Network& network) {
  std::vector<address::IpAddress> own;
  const auto& interfaces = network.inet_interfaces();
  if (std::ranges::any_of(interfaces, [](const std::string& one) { return iequals(one, "all"); }))
    for (const config::InterfaceAddress& one : config::interface_addresses()) own.push_back(one.address);
  for (const std::vector<std::string>* list : {&interfaces, &network.proxy_interfaces()})
    for (const std::string& one : *list)
      if (const auto ip = address::IpAddress::parse_bracketed(one)) own.push_back(*ip);
  return own;
}

Result<tls::ClientContext> make_tls(const ClientConfig& config) {
  tls::ClientSettings settings;
  settings.strength = config.strength();
  settings.verify_depth = static_cast<int>(config.verify_depth());
  settings.system_ca = config.append_default_ca();
  if (!config.tls_ca_file().empty()) {
    Result<std::string> text = os::read_file(os::system_files(), config.tls_ca_file(), longest_ca_file);
    if (!text) return fail(text.error().within("parameter " + config.tls_ca_file.name()));
    settings.ca_pem = std::move(*text);
  }
  return tls::ClientContext::make(settings);
}

// Fills in what comes from parameters and files. To be called before the sandbox is entered.
Result<> prepare(Surroundings& here, const Sections& sections, const daemon::CommandLine& line) {
  const ClientConfig& config = sections.client;
  here.hostname = sections.identity.myhostname();
  here.relayhost = sections.domains.relayhost();
  here.soft_bounce = sections.limits.soft_bounce();
  const auto& protocols = sections.network.inet_protocols();
  const auto speaks = [&](const char* name) {
    return std::ranges::any_of(
        protocols, [&](const std::string& one) { return iequals(one, name) || iequals(one, "all"); });
  };
  here.ipv4 = speaks("ipv4");
  here.ipv6 = speaks("ipv6");
  here.own = own_addresses(sections.network);
  for (const auto& [setting, v4, into] : {std::tuple(&config.bind_address, true, &here.bind4),
                                          std::tuple(&config.bind_address6, false, &here.bind6)}) {
    Result<std::optional<address::IpAddress>> bind = parse_bind(*setting, v4);
    if (!bind) return fail(bind.error());
    *into = *bind;
  }
  if (!parse_port(config.tcp_port()))
    return misconfigured(config.tcp_port, config.tcp_port(),
                         "expected a port number, smtp, lmtp or submission");
  here.native = false;
  for (const std::string& word : config.host_lookup()) {
    if (iequals(word, "native"))
      here.native = true;
    else if (!iequals(word, "dns"))
      return misconfigured(config.host_lookup, word, "expected dns or native");
  }
  Result<dns::Hosts> hosts = dns::Hosts::read();
  if (hosts)
    here.hosts = std::move(*hosts);
  else
    here.log.warning("{}", hosts.error().text());
  for (const std::string& word : config.discard_keywords()) here.discarded_keywords.push_back(upper(word));
  for (const std::string& word : line.arguments)
    if (word.starts_with("flags=")) here.flags = word.substr(6);
  if (config.tls_wrappermode() && !config.tls_required())
    return fail(Trouble::configuration, fmt::format("parameter {}: needs {} = encrypt or above",
                                                    config.tls_wrappermode.name(), config.tls_level.name()));
  if (config.tls_level() != TlsLevel::none) {
    Result<tls::ClientContext> context = make_tls(config);
    if (!context) return fail(context.error());
    here.tls = std::move(*context);
  }
  return {};
}

// flags=DOR of lmtp: lines in front of the message.
std::string extra_header(const Surroundings& here, const queue::Envelope& envelope) {
  std::string header;
  const auto has = [&](char flag) { return here.flags.find(flag) != std::string::npos; };
  const auto shown = [](const std::string& internal) {
    return printable(address::Address::from_internal(internal).text());
  };
  if (has('R')) header += "Return-Path: <" + shown(envelope.sender) + ">\n";
  // These name one recipient, so they need <service>_destination_recipient_limit = 1.
  if (envelope.recipients.size() != 1) return header;
  const queue::Recipient& recipient = envelope.recipients.front();
  if (has('O'))
    header +=
        "X-Original-To: " + shown(recipient.original.empty() ? recipient.address : recipient.original) + "\n";
  if (has('D')) header += "Delivered-To: " + shown(recipient.address) + "\n";
  return header;
}

event::Task<protocol::DeliveryReport> deliver(daemon::Daemon& daemon, Surroundings& here, KeptSessions& kept,
                                              daemon::Job& job) {
  const Mail mail{
      .envelope = job.envelope, .content = job.request.content, .header = extra_header(here, job.envelope)};
  Delivery delivery(
      here, kept, mail, job.request.nexthop,
      [&](const protocol::RecipientOutcome& outcome, std::string_view relay, unsigned use) {
        daemon::log_outcome(daemon, job, outcome, relay, use);
      },
      [&] { job.connected = daemon.clock().wall(); });
  protocol::DeliveryReport report = co_await delivery.run();
  co_return report;
}

}  // namespace

int run(int argc, char** argv, const char* program) {
  Sections sections(program);
  const bool lmtp = sections.client.is_lmtp();
  daemon::Declaration declaration{.name = program,
                                  .run_as = daemon::RunAs::network,
                                  .allowed = {os::Allow::accept, os::Allow::connect_inet},
                                  .help = lmtp ? "delivers mail by LMTP" : "delivers mail by SMTP"};
  if (lmtp) {
    // The sockets of mailbox servers are in the queue's private directory, which is the mail owner's.
    declaration.run_as = daemon::RunAs::mail_owner;
    declaration.allowed.push_back(os::Allow::connect_unix);
  }
  daemon::Daemon daemon(argc, argv, std::move(declaration));
  if (!daemon.start({&sections.client, &sections.dns, &sections.identity, &sections.network,
                     &sections.domains, &sections.limits}))
    return daemon.exit_status();
  bool validate = sections.client.dns_support() == DnsSupport::dnssec;
  if (validate && !os::system_files().stat(sections.dns.trust_anchor())) {
    daemon.log().warning("{}: no file {}; DNS answers are not validated", sections.dns.trust_anchor.name(),
                         sections.dns.trust_anchor());
    validate = false;
  }
  if (sections.client.tls_level() == TlsLevel::dane)
    daemon.log().warning("{} = dane: TLSA records are not looked up; it is obeyed as may",
                         sections.client.tls_level.name());
  Result<std::unique_ptr<dns::UnboundResolver>> resolver =
      daemon::open_resolver(daemon.loop(), sections.dns, validate, daemon.stop_token());
  if (!resolver) return daemon.fatal(resolver.error());
  Surroundings here{.loop = daemon.loop(),
                    .tasks = daemon.tasks(),
                    .log = daemon.log(),
                    .config = sections.client,
                    .resolver = **resolver,
                    .stop = daemon.stop_token()};
  if (const Result<> prepared = prepare(here, sections, daemon.command_line()); !prepared)
    return daemon.fatal(prepared.error());
  if (!daemon.enter_sandbox()) return daemon.exit_status();

  KeptSessions kept(here);
  return daemon::serve_deliveries(daemon, [&](daemon::Job& job) { return deliver(daemon, here, kept, job); });
}

}  // namespace postrider::smtp_client
