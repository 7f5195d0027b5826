// virtual(8): mailboxes that belong to no account of this system. Where a mailbox is and whose it is
// comes from tables; nothing else is expanded, no command is run.
#pragma once

#include <string>

#include "lib/config/common.h"
#include "lib/event/shared_answers.h"
#include "lib/ipc/call.h"
#include "lib/os/files.h"
#include "local/config.h"
#include "local/crew.h"
#include "local/directory.h"
#include "local/letter.h"

namespace postrider::local {

struct VirtualSettings {
  VirtualConfig box;
  DeliveryConfig delivery;
  config::Domains domains;
  config::Limits limits;
  config::Tables tables;
};

class VirtualAgent {
 public:
  struct Surroundings {
    event::Loop& loop;
    Log& log;
    os::Files& files;
    event::TaskScope& tasks;
    event::StopToken stop;
    bool as_root = false;
    std::string service_name;  // relay= in the log
  };
  VirtualAgent(Surroundings around, const VirtualSettings& settings);

  // Serves one delivery request; throws Ended when it is malformed.
  event::Task<> handle(ipc::Call call, ipc::Frame frame);

 private:
  struct Mailbox {
    std::string path;  // with / at the end: a Maildir
    Identity rights;
  };

  event::Task<> deliver(const Letter& letter, std::uint32_t index, protocol::DeliveryReport& report);
  event::Task<RecipientOutcome> deliver_recipient(const Letter& letter, const queue::Recipient& recipient);
  event::Task<Result<Mailbox>> ask_for(std::string address);
  // On the directory's thread. not_found: no such mailbox.
  Result<Mailbox> find(const std::string& address) const;
  Result<std::uint32_t> find_id(const table::Maps& maps, const std::string& address,
                                std::int64_t least) const;

  Surroundings around_;
  const VirtualSettings& settings_;
  Crew crew_;
  table::AddressRules rules_;
  Directory directory_;
  event::SharedAnswers<Result<Mailbox>> mailboxes_;  // letters that come together for one ask once
  table::Maps mailbox_maps_, uid_maps_, gid_maps_;
};

}  // namespace postrider::local
