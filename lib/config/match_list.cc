#include "lib/config/match_list.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/list.h"

namespace postrider::config {

namespace {

bool looks_like_network(std::string_view text) {
  const std::string_view host = text.substr(0, std::min(text.find('/'), text.size()));
  return text.starts_with('[') || text.find('/') != std::string_view::npos || address::IpAddress::parse(host);
}

// "type:name", but not an IPv6 address.
bool looks_like_table(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  const std::string_view type = text.substr(0, colon);
  return std::ranges::all_of(type, [](char c) { return is_alnum(c) || c == '_' || c == '-'; }) &&
         !address::IpAddress::parse(text.substr(0, std::min(text.find('/'), text.size())));
}

}  // namespace

Result<MatchList> MatchList::make(const std::vector<std::string>& items, MatchKind kind, bool parents_match) {
  MatchList list;
  list.kind_ = kind;
  list.parents_match_ = parents_match;
  for (const std::string& item : items) {
    const auto [negated, text] = parse_pattern(item);
    Pattern pattern;
    pattern.negated = negated;
    if (text.empty() || text.starts_with('/'))
      return fail(Trouble::configuration, fmt::format("bad pattern \"{}\" in a list", printable(item)));
    if (looks_like_table(text)) {
      pattern.is_table = true;
      pattern.text = text;
    } else if ((kind == MatchKind::address || kind == MatchKind::client) && looks_like_network(text)) {
      Result<address::Network> network = address::Network::parse(text);
      if (!network) return fail(Trouble::configuration, network.error().text());
      pattern.network = *network;
    } else {
      pattern.text = lower(text);
    }
    list.patterns_.push_back(std::move(pattern));
  }
  return list;
}

bool MatchList::matches_pattern(const Pattern& pattern, const MatchRun& run) const {
  if (pattern.network) return run.address_ && pattern.network->contains(*run.address_);
  // A name in a list of addresses never matches, as in Postfix.
  if (kind_ == MatchKind::address || run.domain_.empty()) return false;
  if (run.domain_ == pattern.text) return true;
  if (kind_ == MatchKind::text) return false;
  if (!run.domain_.ends_with(pattern.text) || run.domain_.size() == pattern.text.size()) return false;
  if (pattern.text.starts_with('.')) return !parents_match_;
  return parents_match_ && run.domain_[run.domain_.size() - pattern.text.size() - 1] == '.';
}

MatchRun::MatchRun(const MatchList& list, std::string domain, std::optional<address::IpAddress> address)
    : list_(list), domain_(std::move(domain)), address_(address) {
  advance();
}

// Goes on to the first pattern that decides or asks.
void MatchRun::advance() {
  for (; at_ < list_.patterns_.size(); ++at_) {
    const MatchList::Pattern& pattern = list_.patterns_[at_];
    if (pattern.is_table) {
      make_keys();
      if (!keys_.empty()) return;
    } else if (list_.matches_pattern(pattern, *this)) {
      matched_ = !pattern.negated;
      at_ = list_.patterns_.size();
      return;
    }
  }
}

// The keys for the table in the order Postfix asks for them: the address; the name and then its parents,
// those with a leading dot unless parents match by themselves.
void MatchRun::make_keys() {
  std::vector<std::string> wanted;
  if (address_) wanted.push_back(address_->text());
  if (!domain_.empty() && list_.kind_ != MatchKind::address) {
    wanted.push_back(domain_);
    std::string_view rest = domain_;
    for (std::size_t dot = rest.find('.', 1); list_.kind_ != MatchKind::text && dot < rest.size();
         dot = rest.find('.', 1)) {
      rest.remove_prefix(dot);
      wanted.emplace_back(list_.parents_match_ ? rest.substr(1) : rest);
    }
  }
  std::erase(wanted, "");
  keys_.assign(wanted.rbegin(), wanted.rend());
}

std::optional<TableQuestion> MatchRun::question() const {
  if (keys_.empty()) return std::nullopt;
  return TableQuestion{list_.patterns_[at_].text, keys_.back()};
}

void MatchRun::answer(bool found) {
  if (found) {
    matched_ = !list_.patterns_[at_].negated;
    keys_.clear();
    at_ = list_.patterns_.size();
    return;
  }
  keys_.pop_back();
  if (!keys_.empty()) return;
  ++at_;
  advance();
}

MatchRun MatchList::run(std::string_view value) const { return {*this, lower(value), std::nullopt}; }

MatchRun MatchList::run(const address::IpAddress& address, std::string_view name) const {
  return {*this, lower(name), address};
}

Result<bool> MatchList::finish(MatchRun run, const TableLookup& lookup) {
  while (const std::optional<TableQuestion> question = run.question()) {
    const Result<bool> found = lookup ? lookup(question->table, question->key) : Result<bool>(false);
    if (!found) return found;
    run.answer(*found);
  }
  return run.matched();
}

Result<bool> MatchList::matches(std::string_view value, const TableLookup& lookup) const {
  return finish(run(value), lookup);
}

Result<bool> MatchList::matches(const address::IpAddress& address, std::string_view name,
                                const TableLookup& lookup) const {
  return finish(run(address, name), lookup);
}

bool MatchList::has_tables() const { return std::ranges::any_of(patterns_, &Pattern::is_table); }

std::vector<std::string> MatchList::tables() const {
  std::vector<std::string> found;
  for (const Pattern& pattern : patterns_)
    if (pattern.is_table) found.push_back(pattern.text);
  return found;
}

bool parents_match(const std::vector<std::string>& parent_domain_matches_subdomains,
                   std::string_view feature) {
  for (const std::string& item : parent_domain_matches_subdomains) {
    const auto [negated, text] = parse_pattern(item);
    if (iequals(text, feature)) return !negated;
  }
  return false;
}

}  // namespace postrider::config
