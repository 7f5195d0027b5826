// Addresses under the administrator's tables: canonical(5), masquerading, virtual(5) aliases, automatic
// copies. Lookups run on the table thread; what comes out of a table is completed by rewrite.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cleanup/config.h"
#include "cleanup/header_block.h"
#include "cleanup/rewriter.h"
#include "lib/base/log.h"
#include "lib/config/match_list.h"
#include "lib/event/workers.h"
#include "lib/queue/envelope.h"
#include "lib/table/address_lookup.h"
#include "lib/table/maps.h"

namespace postrider::cleanup {

// Where an address stands; or-ed.
namespace place {
inline constexpr unsigned envelope_sender = 1, envelope_recipient = 2, header_sender = 4,
                          header_recipient = 8;
}

class Mapper {
 public:
  // All references outlive the mapper.
  Mapper(const Sections& sections, Rewriter& rewriter, Log& log);
  // Opens the tables; needs the rights to read them. configuration: a class or list that makes no sense.
  Result<> open(const table::Context& context);
  // The one thread that looks up, before the first message. Outlives the mapper's tasks.
  void start(event::Workers& workers) { workers_ = &workers; }

  // Errors are temporary: a table or rewrite could not be asked, or an expansion has no end. The text is
  // for the log.
  event::Task<Result<>> map_sender(std::string& address);
  event::Task<Result<>> map_headers(std::vector<HeaderAddress>& addresses, std::string context);

  struct Wanted {
    bool mappings = true;  // canonical, masquerading, virtual aliases
    bool copies = true;    // always_bcc, sender_bcc_maps, recipient_bcc_maps
  };
  // Replaces the recipients by what they become, repetitions removed.
  event::Task<Result<>> map_recipients(queue::Envelope& envelope, Wanted wanted);

 private:
  struct Node {
    std::size_t owner;  // the recipient it came from
    std::string address;
    bool done = false;
  };
  event::Task<std::vector<table::Found>> find(const table::Maps& maps, std::vector<std::string> keys);
  event::Task<Result<>> canonical(const table::Maps& maps, std::vector<std::string>& addresses,
                                  bool extensions);
  event::Task<Result<>> map_class(std::vector<std::string>& addresses, unsigned where);
  event::Task<Result<>> copies(queue::Envelope& envelope, std::vector<queue::Recipient>& into);
  event::Task<Result<>> expand(std::vector<queue::Recipient>& recipients);
  std::string masquerade(std::string address) const;
  Result<unsigned> classes(const config::List& setting) const;
  static std::vector<std::string> right_hand_side(const table::Hit& hit, std::string_view address,
                                                  bool extensions);

  const Sections& sections_;
  Rewriter& rewriter_;
  event::Workers* workers_ = nullptr;
  Log& log_;
  table::AddressRules rules_;
  config::MatchList mydestination_;
  table::Maps canonical_, sender_canonical_, recipient_canonical_, virtual_, sender_bcc_, recipient_bcc_;
  unsigned canonical_where_ = 0, sender_where_ = 0, recipient_where_ = 0, masquerade_where_ = 0;
  bool extend_canonical_ = true, extend_virtual_ = true;
};

}  // namespace postrider::cleanup
