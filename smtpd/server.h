// What the sessions of one smtpd process share: configuration, connections to the other services, lists of
// networks, queue ids in stock. Made before the sandbox is entered, lives as long as the process.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/config/match_list.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/dns_config.h"
#include "lib/daemon/tls_server.h"
#include "lib/dns/hosts.h"
#include "lib/ipc/pool.h"
#include "lib/protocol/anvil.h"
#include "lib/protocol/rewrite.h"
#include "smtpd/access.h"
#include "smtpd/client.h"
#include "smtpd/config.h"
#include "smtpd/restrictions.h"

namespace postrider::smtpd {

struct Sections {
  SmtpdConfig smtpd;
  daemon::TlsServerConfig tls{"smtpd"};
  config::Identity identity;
  config::Network network;
  config::Domains domains;
  config::Limits limits;
  config::Verp verp;
  config::Services services;
  daemon::DnsConfig dns;
  std::vector<config::Section*> all() {
    return {&smtpd, &tls, &identity, &network, &domains, &limits, &verp, &services, &dns};
  }
};

class Server {
 public:
  Server(daemon::Daemon& daemon, const Sections& sections);
  ~Server();

  // Everything that the sandbox would forbid. configuration: a parameter that makes no sense.
  Result<> open();

  // One client, from greeting to goodbye.
  event::Task<> serve(os::Fd socket);

  const Sections& sections() const { return sections_; }
  const SmtpdConfig& config() const { return sections_.smtpd; }
  daemon::Daemon& daemon() { return daemon_; }
  event::Loop& loop() { return daemon_.loop(); }
  Log& log() { return daemon_.log(); }
  daemon::TlsServer& tls() { return tls_; }
  ipc::Pool& cleanup() { return cleanup_; }
  ipc::Pool& rewrite() { return rewrite_; }
  ipc::Pool& auth() { return auth_; }
  dns::Resolver& resolver() { return *resolver_; }

  // A queue id of this process's stock; empty text when cleanup cannot be asked.
  event::Task<std::string> queue_id();
  event::Task<protocol::LookedUp::Answer> lookup(protocol::Lookup question);
  // Where an address goes and whether it exists; Existence::trouble when nobody answers.
  event::Task<protocol::RecipientChecked> check_address(std::string sender, std::string address);
  event::Task<Client> identify(const os::Fd& socket);
  event::Task<bool> in_list(const config::MatchList& list, const Client& client);

  // Counts with anvil; nothing is counted, and nothing refused, when it cannot be asked.
  event::Task<protocol::Counts> count_connection(const Client& client);
  event::Task<protocol::Counts> count_event(protocol::CountEvent::Event event, const Client& client);
  void forget_connection(const Client& client);

  // SASL mechanisms to be offered, joined by blanks; asked once for each kind of connection.
  event::Task<std::string> mechanisms(bool secure);

  const RestrictionList& client_list() const { return client_; }
  const RestrictionList& helo_list() const { return helo_; }
  const RestrictionList& sender_list() const { return sender_; }
  const RestrictionList& relay_list() const { return relay_; }
  const RestrictionList& recipient_list() const { return recipient_; }
  const RestrictionList& data_list() const { return data_; }
  const RestrictionList& end_of_data_list() const { return end_of_data_; }
  const config::MatchList& bare_newline_exclusions() const { return bare_newline_exclusions_; }
  KeyRules key_rules() const;
  bool overrides(std::string_view option) const;  // receive_override_options
  bool forbidden(std::string_view command) const;
  bool offers(std::string_view keyword) const;  // not in smtpd_discard_ehlo_keywords

 private:
  Result<> parse_lists();
  event::Task<> fill_ids();
  event::Task<> find_name(Client& client);

  daemon::Daemon& daemon_;
  const Sections& sections_;
  ipc::Pool cleanup_;
  ipc::Pool rewrite_;
  ipc::Pool auth_;
  ipc::Pool anvil_;
  daemon::TlsServer tls_;
  std::unique_ptr<dns::UnboundResolver> resolver_;
  dns::Hosts hosts_;
  config::MatchList mynetworks_, unlimited_, verp_clients_, bare_newline_exclusions_, sasl_exceptions_;
  bool bare_parents_ = true;
  RestrictionList client_, helo_, sender_, relay_, recipient_, data_, end_of_data_;
  std::deque<std::string> ids_;
  std::string mechanisms_[2];
  bool mechanisms_known_[2] = {false, false};
};

}  // namespace postrider::smtpd
