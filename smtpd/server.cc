#include "smtpd/server.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/list.h"
#include "lib/dns/client_name.h"
#include "lib/os/socket.h"
#include "lib/protocol/auth.h"
#include "lib/protocol/cleanup.h"
#include "lib/protocol/services.h"
#include "smtpd/session.h"

namespace postrider::smtpd {

namespace {

constexpr Seconds service_patience{30};  // for a service that was just killed to be there again
constexpr Seconds peername_patience{5};  // a client that waits longer for its greeting may leave
constexpr std::uint32_t id_batch = 32;

}  // namespace

Server::Server(daemon::Daemon& daemon, const Sections& sections)
    : daemon_(daemon),
      sections_(sections),
      cleanup_(daemon.loop(), protocol::public_service(sections.services.cleanup_service_name()), 64,
               daemon.stop_token()),
      rewrite_(daemon.loop(), protocol::private_service(sections.services.rewrite_service_name()), 16,
               daemon.stop_token()),
      auth_(daemon.loop(), protocol::private_service(sections.services.auth_service_name()), 8,
            daemon.stop_token()),
      anvil_(daemon.loop(), protocol::private_service(sections.services.anvil_service_name()), 8,
             daemon.stop_token()),
      tls_(daemon.loop(), daemon.log(), sections.tls, "smtpd", {"smtp"}, daemon.stop_token()) {}

Server::~Server() = default;

Result<> Server::open() {
  if (const Result<> lists = parse_lists(); !lists) return lists;
  Result<std::unique_ptr<dns::UnboundResolver>> resolver =
      daemon::open_resolver(loop(), sections_.dns, false, daemon_.stop_token());
  if (!resolver) return fail(resolver.error());
  resolver_ = std::move(*resolver);
  if (Result<dns::Hosts> hosts = dns::Hosts::read())
    hosts_ = std::move(*hosts);
  else
    log().warning("{}", hosts.error().text());
  return tls_.start(daemon_.tasks());
}

Result<> Server::parse_lists() {
  const auto network_list = [](const config::List& setting, config::MatchList& into) -> Result<> {
    Result<std::vector<std::string>> items = config::include_files(setting());
    if (!items) return fail(items.error().within(setting.name()));
    Result<config::MatchList> list = config::MatchList::make(*items, config::MatchKind::client);
    if (!list) return fail(list.error().within(setting.name()));
    into = std::move(*list);
    return {};
  };
  const SmtpdConfig& c = config();
  if (const auto r = network_list(sections_.network.mynetworks, mynetworks_); !r) return r;
  if (const auto r = network_list(c.limit_exceptions, unlimited_); !r) return r;
  if (const auto r = network_list(c.forbid_bare_newline_exclusions, bare_newline_exclusions_); !r) return r;
  if (const auto r = network_list(c.verp_clients, verp_clients_); !r) return r;
  if (const auto r = network_list(c.sasl_exceptions, sasl_exceptions_); !r) return r;
  bare_parents_ =
      config::parents_match(sections_.domains.parent_domain_matches_subdomains(), "smtpd_access_maps");

  const auto restrictions = [&](const config::List& setting, RestrictionList& into) -> Result<> {
    Result<RestrictionList> list =
        RestrictionList::parse(setting(), daemon_.values(), c.restriction_classes(), setting.name());
    if (!list) return std::unexpected(list.error());
    into = std::move(*list);
    return {};
  };
  if (const auto r = restrictions(c.client_restrictions, client_); !r) return r;
  if (const auto r = restrictions(c.helo_restrictions, helo_); !r) return r;
  if (const auto r = restrictions(c.sender_restrictions, sender_); !r) return r;
  if (const auto r = restrictions(c.relay_restrictions, relay_); !r) return r;
  if (const auto r = restrictions(c.recipient_restrictions, recipient_); !r) return r;
  if (const auto r = restrictions(c.data_restrictions, data_); !r) return r;
  if (const auto r = restrictions(c.end_of_data_restrictions, end_of_data_); !r) return r;
  if (!relay_.protects_relay() && !recipient_.protects_relay())
    return fail(
        Trouble::configuration,
        "in smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one of: reject, "
        "defer, reject_unauth_destination, defer_unauth_destination; without it anybody may relay");
  return {};
}

KeyRules Server::key_rules() const {
  return {.delimiters = sections_.domains.recipient_delimiter(), .bare_parents = bare_parents_};
}

bool Server::overrides(std::string_view option) const {
  const auto& options = config().receive_overrides();
  return std::ranges::any_of(options, [&](const std::string& one) { return iequals(one, option); });
}

bool Server::offers(std::string_view keyword) const {
  const auto& discarded = config().discard_keywords();
  return std::ranges::none_of(discarded, [&](const std::string& one) { return iequals(one, keyword); });
}

bool Server::forbidden(std::string_view command) const {
  for (const std::string& item : config().forbidden_commands()) {
    // Of patterns only the default's is known: whatever does not begin with a letter.
    if (item.starts_with("regexp:") || item.starts_with("pcre:")) {
      if (command.empty() || !is_alpha(command.front())) return true;
    } else if (iequals(item, command)) {
      return true;
    }
  }
  return false;
}

event::Task<> Server::fill_ids() {
  protocol::ReserveIds request;
  request.count = id_batch;
  Result<protocol::ReservedIds> reserved =
      co_await cleanup_.ask<protocol::ReservedIds>(request, loop().after(service_patience));
  if (!reserved) {
    log().warning("no queue ids: {}", reserved.error().text());
    co_return;
  }
  for (std::string& id : reserved->ids) ids_.push_back(std::move(id));
}

event::Task<std::string> Server::queue_id() {
  if (ids_.empty()) co_await fill_ids();
  if (ids_.empty()) co_return std::string();
  std::string id = std::move(ids_.front());
  ids_.pop_front();
  co_return id;
}

event::Task<protocol::LookedUp::Answer> Server::lookup(protocol::Lookup question) {
  Result<protocol::LookedUp> answer =
      co_await rewrite_.ask<protocol::LookedUp>(question, loop().after(service_patience));
  if (answer && !answer->answers.empty()) co_return std::move(answer->answers.front());
  protocol::LookedUp::Answer trouble;
  trouble.status = protocol::LookedUp::Answer::Status::trouble;
  co_return trouble;
}

event::Task<protocol::RecipientChecked> Server::check_address(std::string sender, std::string address) {
  protocol::CheckRecipient question;
  question.sender = std::move(sender);
  question.address = std::move(address);
  Result<protocol::RecipientChecked> checked =
      co_await rewrite_.ask<protocol::RecipientChecked>(question, loop().after(service_patience));
  if (checked) co_return std::move(*checked);
  log().warning("address <{}>: {}", question.address, checked.error().text());
  protocol::RecipientChecked trouble;
  trouble.route.trouble = protocol::Route::Trouble::table;
  trouble.existence = protocol::RecipientChecked::Existence::trouble;
  co_return trouble;
}

event::Task<bool> Server::in_list(const config::MatchList& list, const Client& client) {
  config::MatchRun run = list.run(client.ip, client.name);
  while (const std::optional<config::TableQuestion> question = run.question()) {
    protocol::Lookup lookup_request;
    lookup_request.parameter = "mynetworks";
    lookup_request.maps = std::string(question->table);
    lookup_request.keys = {std::string(question->key)};
    const protocol::LookedUp::Answer answer = co_await lookup(std::move(lookup_request));
    run.answer(answer.status == protocol::LookedUp::Answer::Status::found);
  }
  co_return run.matched();
}

event::Task<> Server::find_name(Client& client) {
  dns::ClientName found;
  if (client.ip.is_loopback()) {
    // No question is worth asking for this one, and none may delay it.
    found.name = found.reverse_name = "localhost";
    found.status = found.reverse_status = dns::ClientName::Status::verified;
  } else if (config().peername_lookup()) {
    found = co_await dns::verified_name(*resolver_, hosts_, client.ip, loop().after(peername_patience));
    if (!found.trouble.empty()) log().warning("{}", found.trouble);
  }
  client.name = found.name;
  client.reverse_name = found.reverse_name;
  client.name_status = found.status;
  client.reverse_status = found.reverse_status;
}

event::Task<Client> Server::identify(const os::Fd& socket) {
  Client client;
  const Result<os::Endpoint> peer = os::peer_endpoint(socket);
  const Result<os::Endpoint> local = os::local_endpoint(socket);
  if (peer && peer->port != 0) {
    client.ip = address::IpAddress::parse(peer->host).value_or(address::IpAddress());
    client.address = client.ip.text();
    client.port = std::to_string(peer->port);
  } else {
    // Standard input of `sendmail -bs`, or a UNIX socket: somebody on this machine.
    client.ip = *address::IpAddress::parse("127.0.0.1");
    client.port = "0";
  }
  if (local) {
    client.local_address = local->host;
    client.local_port = std::to_string(local->port);
  }
  co_await find_name(client);
  client.logged = config().client_port_logging()
                      ? fmt::format("{}[{}]:{}", client.name, client.address, client.port)
                      : fmt::format("{}[{}]", client.name, client.address);
  client.trusted = co_await in_list(mynetworks_, client);
  client.unlimited = co_await in_list(unlimited_, client);
  client.verp = co_await in_list(verp_clients_, client);
  client.no_auth = co_await in_list(sasl_exceptions_, client);
  co_return client;
}

event::Task<protocol::Counts> Server::count_connection(const Client& client) {
  protocol::Connect request;
  request.service = daemon_.service_name();
  request.client = client.address;
  const Result<protocol::Counts> counts =
      co_await anvil_.ask<protocol::Counts>(request, loop().after(Milliseconds{500}));
  co_return counts ? *counts : protocol::Counts{};
}

event::Task<protocol::Counts> Server::count_event(protocol::CountEvent::Event event, const Client& client) {
  protocol::CountEvent request;
  request.event = event;
  request.service = daemon_.service_name();
  request.client = client.address;
  const Result<protocol::Counts> counts =
      co_await anvil_.ask<protocol::Counts>(request, loop().after(Milliseconds{500}));
  co_return counts ? *counts : protocol::Counts{};
}

void Server::forget_connection(const Client& client) {
  protocol::Unconnect message;
  message.service = daemon_.service_name();
  message.client = client.address;
  anvil_.tell(message);
}

event::Task<std::string> Server::mechanisms(bool secure) {
  if (!mechanisms_known_[secure]) {
    protocol::ListMechanisms request;
    request.service = "smtp";
    request.secure = secure;
    const Result<protocol::Mechanisms> answer =
        co_await auth_.ask<protocol::Mechanisms>(request, loop().after(Seconds{5}));
    if (!answer) {
      log().warning("SASL mechanisms cannot be listed: {}", answer.error().text());
      co_return std::string();
    }
    std::string joined;
    for (const std::string& name : answer->names) joined += (joined.empty() ? "" : " ") + name;
    mechanisms_[secure] = joined;
    mechanisms_known_[secure] = true;
  }
  co_return mechanisms_[secure];
}

event::Task<> Server::serve(os::Fd socket) {
  Session session(*this, std::move(socket));
  co_await session.run();
}

}  // namespace postrider::smtpd
