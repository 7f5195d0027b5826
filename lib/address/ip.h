// IP addresses and networks as values: parsed from configuration, tables and peers.
//
// An IPv4-mapped IPv6 address (::ffff:192.0.2.1) is the IPv4 address it stands for, everywhere: it is
// turned into it when parsed or made from bytes, so that no access list sees two faces of one client.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider::address {

class IpAddress {
 public:
  // 0.0.0.0
  IpAddress() = default;

  // Plain "192.0.2.1" or "2001:db8::1"; no brackets, no scope, no leading zeros, no port.
  static std::optional<IpAddress> parse(std::string_view text);
  // Also in Postfix's brackets "[2001:db8::1]" and as an SMTP literal "[IPv6:2001:db8::1]".
  static std::optional<IpAddress> parse_bracketed(std::string_view text);
  // 4 or 16 bytes in network order, as in sockaddr_in and sockaddr_in6; nullopt for any other length.
  static std::optional<IpAddress> from_bytes(std::span<const std::uint8_t> bytes);

  bool is_v4() const { return size_ == 4; }
  bool is_v6() const { return size_ == 16; }
  bool is_loopback() const;  // 127.0.0.0/8, ::1
  bool is_any() const;       // 0.0.0.0, ::
  // Network order, 4 or 16 of them; valid as long as the object.
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }

  std::string text() const;  // "192.0.2.1", "2001:db8::1"
  // As an SMTP literal: "[192.0.2.1]", "[IPv6:2001:db8::1]".
  std::string literal() const;
  // The labels of the reverse lookup: "1.2.0.192.in-addr.arpa", "….ip6.arpa".
  std::string reverse_name() const;

  bool operator==(const IpAddress&) const = default;
  auto operator<=>(const IpAddress&) const = default;

 private:
  std::uint8_t size_ = 4;
  std::array<std::uint8_t, 16> bytes_{};
};

class Network {
 public:
  // "192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "[2001:db8::]/32", "[::1]". Host bits must be zero; the
  // error's text says what to write instead, as Postfix does.
  static Result<Network> parse(std::string_view text);
  // The network of `bits` around `address`: host bits are cleared, bits capped to the address's length.
  static Network around(const IpAddress& address, unsigned bits);

  bool contains(const IpAddress& address) const;
  const IpAddress& address() const { return address_; }
  unsigned bits() const { return bits_; }
  std::string text() const;  // "192.0.2.0/24", "[2001:db8::]/32" in the form mynetworks takes

  bool operator==(const Network&) const = default;

 private:
  Network(const IpAddress& address, unsigned bits) : address_(address), bits_(bits) {}

  IpAddress address_;
  unsigned bits_;
};

}  // namespace postrider::address
