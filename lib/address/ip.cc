#include "lib/address/ip.h"

#include <algorithm>

#include <arpa/inet.h>
#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::address {
namespace {

constexpr std::size_t longest = INET6_ADDRSTRLEN;  // with the final null

std::string_view without_brackets(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') return text.substr(1, text.size() - 2);
  return text;
}

bool same_prefix(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, unsigned bits) {
  const std::size_t whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(whole), b.begin())) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xffU << (8 - rest) & 0xffU;
  return (a[whole] & mask) == (b[whole] & mask);
}

}  // namespace

std::optional<IpAddress> IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
  constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  IpAddress ip;
  if (bytes.size() == 16 && std::equal(mapped.begin(), mapped.end(), bytes.begin()))
    bytes = bytes.subspan(12);
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  ip.size_ = static_cast<std::uint8_t>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), ip.bytes_.begin());
  return ip;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, longest> copy{};
  if (text.empty() || text.size() >= copy.size() || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, copy.data(), bytes.data()) == 1) return from_bytes({bytes.data(), 4});
  if (inet_pton(AF_INET6, copy.data(), bytes.data()) == 1) return from_bytes(bytes);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse_bracketed(std::string_view text) {
  constexpr std::string_view tag = "IPv6:";
  const std::string_view inner = without_brackets(text);
  if (inner.size() != text.size() && istarts_with(inner, tag)) {
    auto ip = parse(inner.substr(tag.size()));
    return ip && inner.find(':', tag.size()) != std::string_view::npos ? ip : std::nullopt;
  }
  return parse(inner);
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto b) { return b == 0; });
}

bool IpAddress::is_any() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](auto b) { return b == 0; });
}

std::string IpAddress::text() const {
  std::array<char, longest> out{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), out.data(), out.size());
  return out.data();
}

std::string IpAddress::literal() const { return (is_v4() ? "[" : "[IPv6:") + text() + "]"; }

std::string IpAddress::reverse_name() const {
  std::string out;
  for (std::size_t i = size_; i-- > 0;) {
    if (is_v4())
      out += fmt::format("{}.", bytes_[i]);
    else
      out += fmt::format("{:x}.{:x}.", bytes_[i] & 0xf, bytes_[i] >> 4);
  }
  return out + (is_v4() ? "in-addr.arpa" : "ip6.arpa");
}

Result<Network> Network::parse(std::string_view text) {
  const std::size_t slash = text.rfind('/');
  std::string_view host = text.substr(0, slash);
  const bool bracketed = host.starts_with('[');
  if (bracketed != host.ends_with(']'))
    return fail(Trouble::configuration,
                fmt::format("missing bracket in network \"{}\"", text.substr(0, 100)));
  if (bracketed) host = without_brackets(host);
  const auto ip = IpAddress::parse(host);
  if (!ip)
    return fail(Trouble::configuration, fmt::format("bad network address \"{}\"", text.substr(0, 100)));
  // A mapped network names IPv4 clients: its first 96 bits are the mapping.
  const unsigned mapping = ip->is_v4() && host.find(':') != std::string_view::npos ? 96 : 0;
  const unsigned full = static_cast<unsigned>(ip->bytes().size()) * 8;
  unsigned bits = full;
  if (slash != std::string_view::npos) {
    const auto given = parse_number<unsigned>(text.substr(slash + 1));
    if (!given || *given > full + mapping || *given < mapping)
      return fail(Trouble::configuration, fmt::format("bad prefix length in \"{}\"", text.substr(0, 100)));
    bits = *given - mapping;
  }
  const Network network = around(*ip, bits);
  if (network.address_ != *ip)
    return fail(Trouble::configuration,
                fmt::format("non-null host address bits in \"{}\", perhaps you should "
                            "use \"{}\" instead",
                            text, network.text()));
  return network;
}

Network Network::around(const IpAddress& address, unsigned bits) {
  std::array<std::uint8_t, 16> bytes{};
  const std::size_t size = address.bytes().size();
  bits = std::min(bits, static_cast<unsigned>(size) * 8);
  std::copy(address.bytes().begin(), address.bytes().end(), bytes.begin());
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned kept = std::min(8U, bits - std::min(bits, static_cast<unsigned>(i) * 8));
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00U >> kept));
  }
  // Clearing host bits can make a mapped-looking address only out of one that was: "::ffff:0:0/96" of v6 is
  // v4.
  return {*IpAddress::from_bytes({bytes.data(), size}), bits};
}

bool Network::contains(const IpAddress& address) const {
  return address.bytes().size() == address_.bytes().size() &&
         same_prefix(address.bytes(), address_.bytes(), bits_);
}

std::string Network::text() const {
  const std::string host = address_.text();
  return address_.is_v4() ? fmt::format("{}/{}", host, bits_) : fmt::format("[{}]/{}", host, bits_);
}

}  // namespace postrider::address
