// cidr: address ranges in the order of the file; the key is a numeric IPv4 or IPv6 address.
#include <array>
#include <cstdint>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/table/source.h"
#include "lib/table/text_file.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

struct Address {
  std::array<unsigned char, 16> bytes{};  // network order; IPv4 uses the first four
  unsigned bits = 0;                      // 32 or 128
};

std::optional<Address> parse_address(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string terminated(text);
  Address address;
  const bool v6 = text.find(':') != std::string_view::npos;
  if (inet_pton(v6 ? AF_INET6 : AF_INET, terminated.c_str(), address.bytes.data()) != 1) return std::nullopt;
  address.bits = v6 ? 128 : 32;
  return address;
}

std::string format_address(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address.bits == 128 ? AF_INET6 : AF_INET, address.bytes.data(), text.data(), text.size());
  return text.data();
}

struct Network {
  Address first;
  unsigned length = 0;  // bits that count

  bool contains(const Address& address) const {
    if (address.bits != first.bits) return false;
    const unsigned whole = length / 8;
    if (std::memcmp(address.bytes.data(), first.bytes.data(), whole) != 0) return false;
    if (length % 8 == 0) return true;
    const unsigned mask = 0xff00U >> (length % 8) & 0xff;
    return ((address.bytes[whole] ^ first.bytes[whole]) & mask) == 0;
  }
};

// "net/length" or "address", IPv6 in brackets or not.
Result<Network> parse_network(std::string_view text) {
  const auto bad = [&](std::string_view what) {
    return fail(Trouble::permanent, fmt::format("{} \"{}\": skipping this rule", what, text));
  };
  std::string_view address = text;
  std::optional<std::string_view> length;
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  if (const std::size_t slash = address.find('/'); slash != std::string_view::npos) {
    length = address.substr(slash + 1);
    address = address.substr(0, slash);
  }
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  const std::optional<Address> parsed = parse_address(address);
  if (!parsed) return bad("bad address pattern:");
  Network network{*parsed, parsed->bits};
  if (!length) return network;
  const std::optional<unsigned> bits = parse_number<unsigned>(*length);
  if (!bits || *bits > parsed->bits) return bad("bad mask length in");
  network.length = *bits;
  Address masked = *parsed;
  for (unsigned i = network.length; i < masked.bits; ++i)
    masked.bytes[i / 8] = static_cast<unsigned char>(masked.bytes[i / 8] & ~(0x80U >> (i % 8)));
  if (masked.bytes != parsed->bytes)
    return fail(Trouble::permanent,
                fmt::format("non-null host address bits in \"{}\", perhaps you should use \"{}/{}\" instead: "
                            "skipping this rule",
                            text, format_address(masked), network.length));
  return network;
}

struct Rule {
  enum class Kind { result, if_, endif };
  Kind kind = Kind::result;
  bool negated = false;
  int line = 0;
  Network network;
  std::string result;
  std::size_t end = 0;  // of an if: the index of its endif
};

class Cidr final : public TextTable {
 public:
  Cidr(const std::string& path, const Context& context)
      : TextTable("cidr", path, {.pattern = true, .fold = false}, context) {}

 private:
  Result<> load(std::string_view content) override {
    rules_.clear();
    std::vector<std::size_t> open_ifs;
    SourceLines lines(content, path(), context_.log);
    while (const std::optional<SourceLines::Line> line = lines.next()) {
      const Result<> added = add(trim(line->text), line->number, open_ifs);
      if (!added)
        context_.log.warning("cidr map {}, line {}: {}", path(), line->number, added.error().text());
    }
    for (auto i = open_ifs.rbegin(); i != open_ifs.rend(); ++i) {
      context_.log.warning("cidr map {}, line {}: IF has no matching ENDIF", path(), rules_[*i].line);
      rules_[*i].end = rules_.size();
    }
    return {};
  }

  Result<> add(std::string_view text, int line, std::vector<std::size_t>& open_ifs) {
    const std::size_t space = text.find_first_of(" \t\r\n\v\f");
    std::string_view first = text.substr(0, space);
    std::string_view rest = space == std::string_view::npos ? "" : trim(text.substr(space));
    if (iequals(first, "endif")) {
      if (open_ifs.empty()) return fail(Trouble::permanent, "ENDIF without IF: skipping this rule");
      rules_[open_ifs.back()].end = rules_.size();
      open_ifs.pop_back();
      rules_.push_back({.kind = Rule::Kind::endif, .line = line, .network = {}, .result = {}});
      return {};
    }
    const bool is_if = iequals(first, "if");
    if (is_if) first = rest, rest = {};
    bool negated = false;
    while (first.starts_with('!')) {
      negated = !negated;
      first = trim(first.substr(1));
    }
    // "! 192.0.2.0/24 text": the mark may stand alone.
    if (!is_if && first.empty() && negated) {
      const std::size_t end = rest.find_first_of(" \t\r\n\v\f");
      first = rest.substr(0, end);
      rest = end == std::string_view::npos ? "" : trim(rest.substr(end));
    }
    const Result<Network> network = parse_network(first);
    if (!network) return fail(network.error());
    if (is_if) {
      open_ifs.push_back(rules_.size());
    } else if (rest.empty()) {
      return fail(Trouble::permanent, "no lookup result: skipping this rule");
    }
    rules_.push_back({.kind = is_if ? Rule::Kind::if_ : Rule::Kind::result,
                      .negated = negated,
                      .line = line,
                      .network = *network,
                      .result = std::string(rest)});
    return {};
  }

  Result<std::optional<std::string>> find_loaded(std::string_view key) override {
    const std::optional<Address> address = parse_address(key);
    if (!address) return std::nullopt;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const Rule& rule = rules_[i];
      if (rule.kind == Rule::Kind::endif) continue;
      // "!" turns a range into the rest of its own address family.
      const bool same_family = address->bits == rule.network.first.bits;
      const bool matched = same_family && rule.network.contains(*address) != rule.negated;
      if (rule.kind == Rule::Kind::if_) {
        if (!matched) i = rule.end;
      } else if (matched) {
        return rule.result;
      }
    }
    return std::nullopt;
  }

  std::vector<Rule> rules_;
};

}  // namespace

Opened open_cidr(const std::string& name, const Context& context) {
  auto made = std::make_unique<Cidr>(name, context);
  if (const Result<> started = made->start(); !started) return fail(started.error());
  return made;
}

}  // namespace postrider::table
