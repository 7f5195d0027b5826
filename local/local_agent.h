// local(8): mail for accounts and aliases of this system.
//
// A recipient is looked for in aliases, then in the user's .forward files, then goes to the mailbox
// that the configuration names; what an alias or .forward leads to is a recipient again, a file, a
// command, or an address elsewhere, which gets the message through the queue. All that touches mail
// or users' files happens in workers (crew.h); this process decides. One agent serves many requests
// at once on one loop.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lib/config/common.h"
#include "lib/event/shared_answers.h"
#include "lib/ipc/call.h"
#include "lib/ipc/pool.h"
#include "lib/os/files.h"
#include "lib/protocol/rewrite.h"
#include "local/config.h"
#include "local/crew.h"
#include "local/directory.h"
#include "local/letter.h"
#include "local/macros.h"

namespace postrider::local {

struct LocalSettings {
  LocalConfig local;
  DeliveryConfig delivery;
  config::Identity identity;
  config::Domains domains;
  config::Limits limits;
  config::Services services;
  config::Tables tables;
};

class LocalAgent {
 public:
  // What an agent needs of its process; everything outlives it.
  struct Surroundings {
    event::Loop& loop;
    Log& log;
    os::Files& files;
    event::TaskScope& tasks;
    event::StopToken stop;
    bool as_root = false;
    std::string service_name;               // "local": relay= in the log, and our own transport
    std::string default_privs, mail_owner;  // of config::Paths
    std::vector<std::string> environment;   // export_environment
  };
  LocalAgent(Surroundings around, const LocalSettings& settings);
  // Looks up default_privs and mail_owner. configuration: there is no such account, or it is root's.
  Result<> open();

  // Serves one delivery request; throws Ended when it is malformed.
  event::Task<> handle(ipc::Call call, ipc::Frame frame);

 private:
  enum class Source { recipient, alias, forward, include };

  // Addresses elsewhere that get the message through the queue.
  struct Forward {
    std::vector<std::string> addresses;
    std::set<std::string> ancestors;  // what led there, for the loop check
  };
  // One recipient of a request and everything it turns into.
  struct Delivery {
    const Letter& letter;
    const queue::Recipient& recipient;
    std::set<std::string> seen;               // final destinations, so that none gets it twice
    std::map<std::string, Forward> forwards;  // by sender
    bool expanded = false;                    // was an alias or had a .forward
  };

  // Where on its way a delivery is.
  struct Step {
    std::string address;
    std::string sender;
    std::vector<std::string> ancestors;  // recipients that led here, this one included, lower case
    std::vector<std::string> forwarded;  // users whose .forward led here
    bool aliases_done = false;           // "\name": not looked up as an alias
    bool forward_only = false;           // through the queue, since the sender changed
    std::optional<os::User> context;     // on whose behalf
    std::optional<Identity> rights;      // of files and commands; unset: default_privs
    unsigned depth = 0;
  };
  // What the tables and the system know of a name; the user is not looked for when there is an alias.
  struct Known {
    Result<std::optional<AliasEntry>> alias = std::nullopt;
    Result<std::optional<os::User>> user = std::nullopt;
  };
  struct Name {  // a recipient taken apart
    std::string local, user, extension, domain;
    char delimiter = '\0';
  };

  event::Task<> deliver(const Letter& letter, std::uint32_t index, protocol::DeliveryReport& report);
  event::Task<RecipientOutcome> deliver_address(Delivery& delivery, Step step);
  event::Task<RecipientOutcome> deliver_alias(Delivery& delivery, Step step, AliasEntry entry);
  event::Task<RecipientOutcome> deliver_targets(Delivery& delivery, Step step, std::vector<Target> targets,
                                                Source source);
  event::Task<RecipientOutcome> deliver_addresses(Delivery& delivery, Step step,
                                                  std::vector<std::string> addresses);
  event::Task<RecipientOutcome> deliver_include(Delivery& delivery, Step step, std::string path);
  event::Task<RecipientOutcome> deliver_user(Delivery& delivery, Step step, Name name, os::User user);
  event::Task<RecipientOutcome> deliver_mailbox(Delivery& delivery, Step step, Name name,
                                                std::optional<os::User> user);
  event::Task<RecipientOutcome> deliver_unknown(Delivery& delivery, Step step, Name name);
  event::Task<RecipientOutcome> deliver_file(Delivery& delivery, Step step, std::string path,
                                             std::optional<os::User> user, Identity rights,
                                             std::string success);
  event::Task<RecipientOutcome> deliver_command(Delivery& delivery, Step step, std::string command,
                                                std::optional<os::User> user, Identity rights);
  event::Task<RecipientOutcome> pass_on(Delivery& delivery, Step step, std::string transport);
  event::Task<RecipientOutcome> send_forwards(Delivery& delivery);
  event::Task<Result<std::optional<Targets>>> find_forward(const Delivery& delivery, const Step& step,
                                                           const Name& name, const os::User& user);
  event::Task<Known> find_name(Name name, bool ask_aliases);
  event::Task<Result<std::vector<protocol::Route>>> resolve(std::vector<std::string> addresses,
                                                            std::string sender);
  event::Task<Result<std::optional<std::string>>> look_up(const table::Maps& maps, std::string address);

  Name take_apart(const std::string& address) const;
  MacroSource macros(const Step& step, const Name& name, const os::User* user) const;
  std::string head(const Delivery& delivery, const Step& step, std::string_view kind) const;
  RecipientOutcome settle(const Delivery& delivery, const Step& step, RecipientOutcome outcome);
  bool allows(const std::vector<std::string>& list, Source source) const;
  Identity rights_of(const os::User& user) const { return {user.uid, user.gid, {}}; }

  Surroundings around_;
  const LocalSettings& settings_;
  Crew crew_;
  table::AddressRules rules_;
  Directory directory_;
  Aliases aliases_;
  // Letters that come together for one user ask once.
  event::SharedAnswers<Known> names_;
  event::SharedAnswers<Result<Targets>> forwards_;
  table::Maps transport_maps_, command_maps_, fallback_maps_;
  ipc::Pool rewrite_;
  std::string cleanup_path_;
  std::map<std::string, std::unique_ptr<ipc::Pool>> transports_;
  Identity default_rights_;
  Identity queue_rights_;  // of mail_owner, who may talk to cleanup
};

}  // namespace postrider::local
