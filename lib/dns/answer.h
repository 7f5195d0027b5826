// What a DNS lookup says, as values: the records of one type at one name, after aliases were followed.
//
// Records come from strangers. Host names in them were checked and are lower-case without the final dot;
// what is no valid name or address never gets here (it is counted instead). Numbers are capped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/address/ip.h"
#include "lib/base/clock.h"

namespace postrider::dns {

enum class Type : std::uint16_t { a = 1, cname = 5, ptr = 12, mx = 15, txt = 16, aaaa = 28 };

// "A", "MX", …
const char* type_name(Type type);

struct Record {
  std::string host;              // mx, ptr: a host name; "" is the root (RFC 7505: a null MX)
  std::uint16_t preference = 0;  // mx
  address::IpAddress ip;         // a, aaaa
  std::string text;              // txt: the strings joined; any byte
  bool operator==(const Record&) const = default;
};

struct Answer {
  enum class Outcome : std::uint8_t {
    found,    // `records` has at least one record, or `invalid` is above 0
    no_data,  // the name exists and has no record of this type
    no_name,  // the name does not exist (NXDOMAIN)
  };
  Outcome outcome = Outcome::no_data;
  std::string name;  // that the records belong to: the question's, or what aliases led to; "" if unprintable
  std::vector<Record> records;
  std::size_t invalid = 0;  // records that were left out because they are malformed
  bool cut_off = false;     // there were more records than the cap
  bool secure = false;      // validated with DNSSEC; never true without a trust anchor
  Seconds ttl{0};           // the smallest one of the records and aliases

  bool found() const { return outcome == Outcome::found; }
};

// Most records of one answer that are looked at.
inline constexpr std::size_t max_records = 100;

}  // namespace postrider::dns
