// Lists that hosts, addresses and domains are looked for in: mynetworks, mydestination, relay_domains and
// their like. Patterns in order, the first that matches decides; `!pattern` decides for "no".
//
//   text     a whole value, any case; `type:table` looks the lower-cased value up      (mydestination)
//   domain   example.com, .example.com (its subdomains); tables are asked for parents  (relay_domains)
//   address  192.0.2.1, 192.0.2.0/24, [2001:db8::]/32; tables are asked for the address (mynetworks)
//   client   address and domain patterns mixed                                         (debug_peer_list)
//
// Lookup tables are elsewhere: a MatchRun says which key it wants looked up in which table and waits, so that
// the asker may be a coroutine. `/file` items have been replaced (list.h, include_files) when the list is
// made. A list is immutable and may serve many runs at once; a run must not outlive its list.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address/ip.h"
#include "lib/base/error.h"

namespace postrider::config {

enum class MatchKind { text, domain, address, client };

struct TableQuestion {
  std::string_view table;  // "hash:/etc/postrider/domains"
  std::string_view key;
};

class MatchList;

class MatchRun {
 public:
  // What must be looked up next; nullopt once decided. Valid until the answer.
  std::optional<TableQuestion> question() const;
  void answer(bool found);
  // Once there is no question left.
  bool matched() const { return matched_; }

 private:
  friend class MatchList;
  MatchRun(const MatchList& list, std::string domain, std::optional<address::IpAddress> address);
  void advance();
  void make_keys();

  const MatchList& list_;
  std::string domain_;  // lower-case; the value for text lists
  std::optional<address::IpAddress> address_;
  std::size_t at_ = 0;             // the pattern under consideration
  std::vector<std::string> keys_;  // still to be asked of the table at_, the next one last
  bool matched_ = false;
};

class MatchList {
 public:
  // The answer of a table to a key; an error is a table that cannot be asked now.
  using TableLookup = std::function<Result<bool>(std::string_view table, std::string_view key)>;

  MatchList() = default;  // empty: matches nothing
  // `parents_match`: example.com also means its subdomains (parent_domain_matches_subdomains).
  // configuration: a malformed network, a `/file` that was not replaced.
  static Result<MatchList> make(const std::vector<std::string>& items, MatchKind kind,
                                bool parents_match = false);

  MatchRun run(std::string_view value) const;                                         // text, domain
  MatchRun run(const address::IpAddress& address, std::string_view name = "") const;  // address, client

  // The same with tables that answer at once. Without a lookup, tables are not found in.
  Result<bool> matches(std::string_view value, const TableLookup& lookup = {}) const;
  Result<bool> matches(const address::IpAddress& address, std::string_view name = "",
                       const TableLookup& lookup = {}) const;

  bool empty() const { return patterns_.empty(); }
  bool has_tables() const;
  // The tables in it, for opening or for asking the proxy service about.
  std::vector<std::string> tables() const;

 private:
  friend class MatchRun;
  struct Pattern {
    bool negated = false;
    bool is_table = false;
    std::string text;  // lower-case domain, or the table with its name as written
    std::optional<address::Network> network;
  };
  bool matches_pattern(const Pattern& pattern, const MatchRun& run) const;
  static Result<bool> finish(MatchRun run, const TableLookup& lookup);

  MatchKind kind_ = MatchKind::text;
  bool parents_match_ = false;
  std::vector<Pattern> patterns_;
};

// Whether `feature` (a parameter name, or smtpd_access_maps) is in parent_domain_matches_subdomains.
bool parents_match(const std::vector<std::string>& parent_domain_matches_subdomains,
                   std::string_view feature);

}  // namespace postrider::config
