#include "cleanup/mapper.h"

#include <algorithm>
#include <array>
#include <set>
#include <unordered_set>

#include <fmt/core.h>

#include "lib/address/domain.h"
#include "lib/address/header.h"
#include "lib/base/text.h"

namespace postrider::cleanup {

namespace {

constexpr int canonical_rounds = 10;

std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) {
    if (!text.empty()) text += ", ";
    text += item;
  }
  return text;
}

bool has_word(const std::vector<std::string>& words, std::string_view word) {
  return std::ranges::any_of(words, [&](const std::string& one) { return iequals(one, word); });
}

std::unexpected<Error> try_later(std::string text) { return fail(Trouble::temporary, std::move(text)); }

}  // namespace

Mapper::Mapper(const Sections& sections, Rewriter& rewriter, Log& log)
    : sections_(sections), rewriter_(rewriter), log_(log) {}

Result<unsigned> Mapper::classes(const config::List& setting) const {
  constexpr std::array names{std::pair{"envelope_sender", place::envelope_sender},
                             std::pair{"envelope_recipient", place::envelope_recipient},
                             std::pair{"header_sender", place::header_sender},
                             std::pair{"header_recipient", place::header_recipient}};
  unsigned where = 0;
  for (const std::string& word : setting()) {
    const auto found = std::ranges::find_if(names, [&](const auto& one) { return iequals(one.first, word); });
    if (found == names.end())
      return fail(Trouble::configuration,
                  fmt::format("{}: \"{}\" is none of envelope_sender, envelope_recipient, header_sender, "
                              "header_recipient",
                              setting.name(), word));
    where |= found->second;
  }
  return where;
}

Result<> Mapper::open(const table::Context& context) {
  const CleanupConfig& config = sections_.cleanup;
  struct Class {
    const config::List& setting;
    unsigned& where;
  };
  for (const Class& one : {Class{config.canonical_classes, canonical_where_},
                           Class{config.sender_canonical_classes, sender_where_},
                           Class{config.recipient_canonical_classes, recipient_where_},
                           Class{config.masquerade_classes, masquerade_where_}}) {
    const Result<unsigned> where = classes(one.setting);
    if (!where) return fail(where.error());
    one.where = *where;
  }
  Result<config::MatchList> mydestination =
      config::MatchList::make(sections_.domains.mydestination(), config::MatchKind::text);
  if (!mydestination) return fail(mydestination.error().within("mydestination"));
  mydestination_ = std::move(*mydestination);
  rules_.delimiters = sections_.domains.recipient_delimiter();
  rules_.is_local = [this](std::string_view domain) {
    if (iequals(domain, sections_.identity.myorigin())) return true;
    const Result<bool> match = mydestination_.matches(domain);
    return match && *match;
  };
  const auto maps = [&](const config::List& setting) {
    return table::Maps::open(setting.name(), joined(setting()), context);
  };
  canonical_ = maps(config.canonical_maps);
  sender_canonical_ = maps(config.sender_canonical_maps);
  recipient_canonical_ = maps(config.recipient_canonical_maps);
  virtual_ = maps(sections_.domains.virtual_alias_maps);
  sender_bcc_ = maps(config.sender_bcc_maps);
  recipient_bcc_ = maps(config.recipient_bcc_maps);
  extend_canonical_ = has_word(config.propagate_extensions(), "canonical");
  extend_virtual_ = has_word(config.propagate_extensions(), "virtual");
  return {};
}

event::Task<std::vector<table::Found>> Mapper::find(const table::Maps& maps, std::vector<std::string> keys) {
  std::vector<table::Found> found(keys.size());
  if (maps.empty() || keys.empty()) co_return found;
  co_await workers_->run([&] {
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (!keys[i].empty()) found[i] = table::find_address(maps, keys[i], rules_);
  });
  co_return found;
}

// The addresses of a table's answer, in internal form but not completed. "@domain" keeps the local part.
std::vector<std::string> Mapper::right_hand_side(const table::Hit& hit, std::string_view address,
                                                 bool extensions) {
  std::vector<std::string> results;
  const std::string_view value = trim(hit.value);
  const std::size_t at = address.rfind('@');
  if (value.starts_with('@') && value.find_first_of(", \t") == std::string_view::npos) {
    results.emplace_back(std::string(address.substr(0, at)) + std::string(value));
    return results;
  }
  const auto list = address::parse_address_list(value, 1'000'000);
  for (const auto& mailbox : list.mailboxes) {
    if (mailbox.address.empty()) continue;
    address::Address one = mailbox.address;
    if (extensions && !hit.extension.empty()) one.local += hit.extension;
    results.push_back(one.internal());
  }
  return results;
}

event::Task<Result<>> Mapper::canonical(const table::Maps& maps, std::vector<std::string>& addresses,
                                        bool extensions) {
  if (maps.empty()) co_return Result<>();
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < addresses.size(); ++i)
    if (!addresses[i].empty()) open.push_back(i);
  for (int round = 0; !open.empty(); ++round) {
    if (round == canonical_rounds)
      co_return try_later(
          fmt::format("unreasonable {} map nesting for {} -- message not accepted, try again later",
                      maps.title(), addresses[open.front()]));
    std::vector<std::string> keys;
    for (const std::size_t i : open) keys.push_back(addresses[i]);
    const std::vector<table::Found> found = co_await find(maps, keys);
    std::vector<std::size_t> changed;
    std::vector<std::string> results;
    for (std::size_t n = 0; n < open.size(); ++n) {
      if (!found[n])
        co_return try_later(fmt::format(
            "{} map lookup problem for {} -- message not accepted, try again later", maps.title(), keys[n]));
      if (!*found[n]) continue;
      const std::vector<std::string> values = right_hand_side(**found[n], keys[n], extensions);
      if (values.size() != 1) {
        log_.warning("{}: {} results for {}; the first counts", maps.title(), values.size(), keys[n]);
        if (values.empty()) continue;
      }
      changed.push_back(open[n]);
      results.push_back(values.front());
    }
    const Result<> completed = co_await rewriter_.rewrite("local", results);
    if (!completed) co_return completed;
    open.clear();
    for (std::size_t n = 0; n < changed.size(); ++n) {
      if (iequals(addresses[changed[n]], results[n])) {
        addresses[changed[n]] = results[n];
        continue;
      }
      addresses[changed[n]] = results[n];
      open.push_back(changed[n]);
    }
  }
  co_return Result<>();
}

std::string Mapper::masquerade(std::string address) const {
  const std::size_t at = address.rfind('@');
  if (at == std::string::npos) return address;
  const std::string_view local = std::string_view(address).substr(0, at);
  if (has_word(sections_.cleanup.masquerade_exceptions(), local)) return address;
  const std::string domain = lower(std::string_view(address).substr(at + 1));
  for (const std::string& item : sections_.cleanup.masquerade_domains()) {
    const bool keep = item.starts_with('!');
    const std::string parent = lower(std::string_view(item).substr(keep ? 1 : 0));
    if (domain == parent) return address;
    if (!address::is_within(domain, parent)) continue;
    if (keep) return address;
    return address.substr(0, at + 1) + parent;
  }
  return address;
}

event::Task<Result<>> Mapper::map_class(std::vector<std::string>& addresses, unsigned where) {
  Result<> done;
  if ((sender_where_ & where) != 0)
    done = co_await canonical(sender_canonical_, addresses, extend_canonical_);
  if (done && (recipient_where_ & where) != 0)
    done = co_await canonical(recipient_canonical_, addresses, extend_canonical_);
  if (done && (canonical_where_ & where) != 0)
    done = co_await canonical(canonical_, addresses, extend_canonical_);
  if (!done) co_return done;
  if ((masquerade_where_ & where) != 0 && !sections_.cleanup.masquerade_domains().empty())
    for (std::string& address : addresses) address = masquerade(std::move(address));
  co_return Result<>();
}

event::Task<Result<>> Mapper::map_sender(std::string& address) {
  if (address.empty()) co_return Result<>();
  std::vector<std::string> one{address};
  Result<> done = co_await rewriter_.rewrite("local", one);
  if (done) done = co_await map_class(one, place::envelope_sender);
  if (!done) co_return done;
  address = std::move(one.front());
  co_return Result<>();
}

event::Task<Result<>> Mapper::map_headers(std::vector<HeaderAddress>& addresses, std::string context) {
  for (const bool of_sender : {true, false}) {
    std::vector<std::string> texts;
    for (const HeaderAddress& one : addresses)
      if (one.of_sender == of_sender) texts.push_back(one.text);
    if (texts.empty()) continue;
    Result<> done = co_await rewriter_.rewrite(context, texts);
    if (done) done = co_await map_class(texts, of_sender ? place::header_sender : place::header_recipient);
    if (!done) co_return done;
    std::size_t next = 0;
    for (HeaderAddress& one : addresses)
      if (one.of_sender == of_sender) one.text = std::move(texts[next++]);
  }
  co_return Result<>();
}

// Appends to `into` who receives a copy without being told of by the message.
event::Task<Result<>> Mapper::copies(queue::Envelope& envelope, std::vector<queue::Recipient>& into) {
  std::vector<std::string> added;
  const auto take = [&](const table::Hit& hit, std::string_view key) {
    for (std::string& address : right_hand_side(hit, key, false)) added.push_back(std::move(address));
  };
  if (!sender_bcc_.empty() && !envelope.sender.empty()) {
    const std::vector<table::Found> found =
        co_await find(sender_bcc_, std::vector<std::string>(1, envelope.sender));
    if (!found.front())
      co_return try_later(fmt::format("{} map lookup problem for {} -- message not accepted, try again later",
                                      sender_bcc_.title(), envelope.sender));
    if (*found.front()) take(**found.front(), envelope.sender);
  }
  if (!recipient_bcc_.empty()) {
    std::vector<std::string> keys;
    for (const queue::Recipient& recipient : envelope.recipients) keys.push_back(recipient.address);
    const std::vector<table::Found> found = co_await find(recipient_bcc_, keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (!found[i])
        co_return try_later(
            fmt::format("{} map lookup problem for {} -- message not accepted, try again later",
                        recipient_bcc_.title(), keys[i]));
      if (*found[i]) take(**found[i], keys[i]);
    }
  }
  if (!sections_.cleanup.always_bcc().empty()) {
    table::Hit always;
    always.value = sections_.cleanup.always_bcc();
    take(always, "");
  }
  Result<> done = co_await rewriter_.rewrite("local", added);
  std::vector<std::string> mapped = added;
  if (done) done = co_await map_class(mapped, place::envelope_recipient);
  if (!done) co_return done;
  for (std::size_t i = 0; i < added.size(); ++i) {
    queue::Recipient& copy = into.emplace_back();
    copy.original = std::move(added[i]);
    copy.address = std::move(mapped[i]);
    copy.notify = queue::notify::never;
  }
  co_return Result<>();
}

// Each recipient becomes what virtual_alias_maps makes of it, aliases of aliases included.
event::Task<Result<>> Mapper::expand(std::vector<queue::Recipient>& recipients) {
  if (virtual_.empty()) co_return Result<>();
  const CleanupConfig& config = sections_.cleanup;
  const auto most = static_cast<std::size_t>(config.expansion_limit());
  const auto longest = static_cast<std::size_t>(config.address_length_limit());
  const auto refuse = [&](std::string_view what, const std::string& address) {
    return try_later(fmt::format("unreasonable {} map {} for {} -- message not accepted, try again later",
                                 virtual_.title(), what, address));
  };
  std::vector<Node> nodes;
  std::vector<std::size_t> count(recipients.size(), 1);
  std::set<std::pair<std::size_t, std::string>> expanded;  // by owner: expanded once already
  for (std::size_t i = 0; i < recipients.size(); ++i) nodes.push_back({i, recipients[i].address});
  for (std::int64_t round = 0;; ++round) {
    std::vector<std::size_t> open;
    std::vector<std::string> keys;
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      Node& node = nodes[n];
      if (node.done) continue;
      node.done = !expanded.emplace(node.owner, lower(node.address)).second;
      if (node.done) continue;
      open.push_back(n);
      keys.push_back(node.address);
    }
    if (open.empty()) break;
    if (round == config.recursion_limit())
      co_return refuse("nesting", recipients[nodes[open.front()].owner].address);
    const std::vector<table::Found> found = co_await find(virtual_, keys);
    for (std::size_t k = 0; k < open.size(); ++k) {
      if (!found[k])
        co_return try_later(
            fmt::format("{} map lookup problem for {} -- message not accepted, try again later",
                        virtual_.title(), keys[k]));
      std::vector<std::string> values;
      if (*found[k]) values = right_hand_side(**found[k], keys[k], extend_virtual_);
      if (values.empty()) {
        nodes[open[k]].done = true;
        continue;
      }
      const std::size_t owner = nodes[open[k]].owner;
      count[owner] += values.size() - 1;
      if (count[owner] > most) co_return refuse("expansion size", recipients[owner].address);
      const Result<> completed = co_await rewriter_.rewrite("local", values);
      if (!completed) co_return completed;
      for (std::size_t v = 0; v < values.size(); ++v) {
        if (values[v].size() > longest) co_return refuse("address length", recipients[owner].address);
        // An alias that names itself means the address itself.
        const bool itself = iequals(values[v], keys[k]);
        if (v == 0)
          nodes[open[k]] = {owner, std::move(values[v]), itself};
        else
          nodes.push_back({owner, std::move(values[v]), itself});
      }
    }
  }
  std::vector<std::size_t> order(nodes.size());
  for (std::size_t n = 0; n < order.size(); ++n) order[n] = n;
  std::ranges::sort(order, {}, [&](std::size_t n) { return std::pair(nodes[n].owner, n); });
  std::vector<queue::Recipient> all;
  all.reserve(nodes.size());
  for (const std::size_t n : order) {
    Node& node = nodes[n];
    queue::Recipient recipient = recipients[node.owner];
    // RFC 3461 5.2.7.1: an alias of several is where a success report would have to come from.
    if (count[node.owner] > 1 && (recipient.notify & queue::notify::success) != 0) {
      recipient.notify &= static_cast<std::uint8_t>(~queue::notify::success);
      if (recipient.notify == 0) recipient.notify = queue::notify::never;
    }
    recipient.address = std::move(node.address);
    all.push_back(std::move(recipient));
  }
  recipients = std::move(all);
  co_return Result<>();
}

event::Task<Result<>> Mapper::map_recipients(queue::Envelope& envelope, Wanted wanted) {
  std::vector<std::string> addresses;
  for (queue::Recipient& recipient : envelope.recipients) {
    if (recipient.original.empty()) recipient.original = recipient.address;
    addresses.push_back(recipient.address);
  }
  Result<> done = co_await rewriter_.rewrite("local", addresses);
  if (done && wanted.mappings) done = co_await map_class(addresses, place::envelope_recipient);
  if (!done) co_return done;
  for (std::size_t i = 0; i < addresses.size(); ++i) envelope.recipients[i].address = std::move(addresses[i]);
  if (wanted.mappings && wanted.copies) {
    std::vector<queue::Recipient> added;
    done = co_await copies(envelope, added);
    if (!done) co_return done;
    std::ranges::move(added, std::back_inserter(envelope.recipients));
  }
  if (wanted.mappings) done = co_await expand(envelope.recipients);
  if (!done) co_return done;

  const bool remember = sections_.cleanup.original_recipient();
  const auto limit = static_cast<std::size_t>(sections_.cleanup.duplicate_limit());
  std::unordered_set<std::string, SeededHash, StringEqual> seen;
  std::erase_if(envelope.recipients, [&](queue::Recipient& recipient) {
    if (!remember || recipient.original == recipient.address) recipient.original.clear();
    if (recipient.address.empty()) return true;
    std::string key =
        fmt::format("{}\n{}\n{}\n{}", lower(recipient.orcpt), recipient.notify,
                    lower(recipient.original.empty() && remember ? recipient.address : recipient.original),
                    lower(recipient.address));
    if (seen.contains(key)) return true;
    if (limit == 0 || seen.size() < limit) seen.insert(std::move(key));
    return false;
  });
  co_return Result<>();
}

}  // namespace postrider::cleanup
