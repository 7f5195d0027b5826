#include "lib/dns/message.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/address/domain.h"
#include "lib/base/text.h"

namespace postrider::dns {
namespace {

constexpr std::size_t header_size = 12;
constexpr std::size_t max_name = 255;      // RFC 1035 3.1, as bytes of wire
constexpr int most_pointers = 64;          // that one name may be made of
constexpr int most_aliases = 16;           // CNAMEs in a row
constexpr std::size_t most_text = 65'535;  // RDATA cannot be longer
constexpr std::uint16_t class_in = 1;

// A name as on the wire, without compression and in lower case: equal names are equal strings.
using WireName = std::string;

class Reader {
 public:
  explicit Reader(std::string_view packet) : packet_(packet) {}

  bool at_end() const { return at_ >= packet_.size(); }
  std::size_t position() const { return at_; }
  bool skip(std::size_t count) {
    if (count > packet_.size() - at_) return false;
    at_ += count;
    return true;
  }
  void seek(std::size_t position) { at_ = std::min(position, packet_.size()); }

  std::optional<std::uint16_t> number16() {
    if (packet_.size() - at_ < 2) return std::nullopt;
    const auto value = static_cast<std::uint16_t>(byte(at_) << 8 | byte(at_ + 1));
    at_ += 2;
    return value;
  }
  std::optional<std::uint32_t> number32() {
    const auto high = number16();
    const auto low = number16();
    if (!high || !low) return std::nullopt;
    return static_cast<std::uint32_t>(*high) << 16 | *low;
  }

  // RFC 1035 4.1.4. Pointers must lead back, so a name has an end.
  std::optional<WireName> name() {
    WireName out;
    std::size_t from = at_;
    bool jumped = false;
    for (int pointers = 0;;) {
      if (from >= packet_.size()) return std::nullopt;
      const unsigned length = byte(from);
      if (length == 0) {
        out += '\0';
        if (!jumped) at_ = from + 1;
        return out;
      }
      if ((length & 0xC0) == 0xC0) {
        if (from + 1 >= packet_.size() || ++pointers > most_pointers) return std::nullopt;
        const std::size_t target = (length & 0x3F) << 8 | byte(from + 1);
        if (target >= from) return std::nullopt;
        if (!jumped) at_ = from + 2;
        jumped = true;
        from = target;
        continue;
      }
      if (length > 63 || from + 1 + length > packet_.size()) return std::nullopt;
      if (out.size() + 1 + length + 1 > max_name) return std::nullopt;
      out += static_cast<char>(length);
      for (std::size_t i = 1; i <= length; ++i) out += to_lower(packet_[from + i]);
      from += 1 + length;
    }
  }

  // The next `count` bytes; checked by the caller to be there.
  std::string_view bytes(std::size_t count) const { return packet_.substr(at_, count); }

 private:
  unsigned byte(std::size_t at) const { return static_cast<unsigned char>(packet_[at]); }
  std::string_view packet_;
  std::size_t at_ = 0;
};

// "mail.example.org"; "" for the root; nullopt for what is no host name. Labels with a dot or worse in
// them do not survive.
std::optional<std::string> host_name(const WireName& wire) {
  std::string out;
  for (std::size_t at = 0; at < wire.size() && wire[at] != '\0';) {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(wire[at]));
    const std::string_view label = std::string_view(wire).substr(at + 1, length);
    if (label.find('.') != std::string_view::npos) return std::nullopt;
    if (!out.empty()) out += '.';
    out += label;
    at += 1 + length;
  }
  if (out.empty()) return out;
  if (!address::valid_hostname(out)) return std::nullopt;
  return out;
}

// One resource record, its data still to be read.
struct RawRecord {
  WireName owner;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::size_t data = 0;  // where it begins
  std::size_t size = 0;
};

std::optional<RawRecord> next_record(Reader& reader) {
  auto owner = reader.name();
  const auto type = reader.number16();
  const auto record_class = reader.number16();
  const auto ttl = reader.number32();
  const auto size = reader.number16();
  if (!owner || !type || !record_class || !ttl || !size) return std::nullopt;
  RawRecord record{std::move(*owner), *type, *ttl, reader.position(), *size};
  if (!reader.skip(record.size)) return std::nullopt;
  if (*record_class != class_in) record.type = 0;
  // RFC 2181 section 8: a TTL with the highest bit set is zero.
  if (record.ttl > 0x7fffffff) record.ttl = 0;
  return record;
}

// The name in the data of `record`, behind `before` other bytes; it must be all that is left of the data.
std::optional<WireName> name_in(Reader reader, const RawRecord& record, std::size_t before) {
  if (record.size < before) return std::nullopt;
  reader.seek(record.data + before);
  auto name = reader.name();
  if (!name || reader.position() != record.data + record.size) return std::nullopt;
  return name;
}

std::optional<Record> read_address(Reader reader, const RawRecord& record, std::size_t size) {
  if (record.size != size) return std::nullopt;
  reader.seek(record.data);
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::copy(reader.bytes(size), bytes.begin());
  const auto ip = address::IpAddress::from_bytes({bytes.data(), size});
  if (!ip) return std::nullopt;
  Record out;
  out.ip = *ip;
  return out;
}

std::optional<Record> read_host(const Reader& reader, const RawRecord& record, std::size_t before) {
  const auto wire = name_in(reader, record, before);
  if (!wire) return std::nullopt;
  auto host = host_name(*wire);
  if (!host) return std::nullopt;
  Record out;
  out.host = std::move(*host);
  return out;
}

std::optional<Record> read_mx(Reader reader, const RawRecord& record) {
  auto out = read_host(reader, record, 2);
  if (!out) return std::nullopt;
  reader.seek(record.data);
  out->preference = reader.number16().value_or(0);
  return out;
}

std::optional<Record> read_text(Reader reader, const RawRecord& record) {
  reader.seek(record.data);
  std::string_view data = reader.bytes(record.size);
  Record out;
  while (!data.empty()) {
    const auto length = static_cast<std::size_t>(static_cast<unsigned char>(data.front()));
    if (length + 1 > data.size() || out.text.size() + length > most_text) return std::nullopt;
    out.text += data.substr(1, length);
    data.remove_prefix(length + 1);
  }
  return out;
}

std::optional<Record> read_data(const Reader& reader, const RawRecord& record) {
  switch (static_cast<Type>(record.type)) {
    case Type::a: return read_address(reader, record, 4);
    case Type::aaaa: return read_address(reader, record, 16);
    case Type::mx: return read_mx(reader, record);
    case Type::ptr:
    case Type::cname: {
      auto host = read_host(reader, record, 0);
      if (host && host->host.empty()) return std::nullopt;
      return host;
    }
    case Type::txt: return read_text(reader, record);
  }
  return std::nullopt;
}

std::unexpected<Error> malformed(const char* what) {
  return fail(Trouble::peer, std::string("malformed DNS response: ") + what);
}

}  // namespace

const char* type_name(Type type) {
  switch (type) {
    case Type::a: return "A";
    case Type::cname: return "CNAME";
    case Type::ptr: return "PTR";
    case Type::mx: return "MX";
    case Type::txt: return "TXT";
    case Type::aaaa: return "AAAA";
  }
  return "?";
}

Result<Answer> parse_response(std::string_view packet, Type type, std::size_t most) {
  Reader reader(packet);
  if (packet.size() < header_size) return malformed("header");
  reader.seek(4);
  const std::uint16_t questions = *reader.number16();
  const std::uint16_t answers = *reader.number16();
  reader.seek(header_size);
  if (questions != 1) return malformed("not one question");
  auto question = reader.name();
  if (!question || !reader.skip(4)) return malformed("question");

  // Aliases may stand in any order, so the chain is followed by going through the answers again.
  const std::size_t begin = reader.position();
  WireName owner = std::move(*question);
  Answer answer;
  std::uint32_t ttl = 0x7fffffff;
  for (int aliases = 0;; ++aliases) {
    reader.seek(begin);
    std::optional<RawRecord> alias;
    std::size_t seen = 0;
    for (std::uint16_t i = 0; i < answers; ++i) {
      auto record = next_record(reader);
      if (!record) return malformed("record");
      if (record->owner != owner) continue;
      if (record->type == static_cast<std::uint16_t>(type)) {
        ttl = std::min(ttl, record->ttl);
        if (++seen > most) {
          answer.cut_off = true;
          break;
        }
        if (auto value = read_data(reader, *record))
          answer.records.push_back(std::move(*value));
        else
          ++answer.invalid;
      } else if (record->type == static_cast<std::uint16_t>(Type::cname) && !alias) {
        alias = std::move(record);
      }
    }
    if (seen > 0) answer.outcome = Answer::Outcome::found;
    if (seen > 0 || !alias) break;
    if (aliases >= most_aliases) return malformed("too many aliases");
    ttl = std::min(ttl, alias->ttl);
    auto target = name_in(reader, *alias, 0);
    if (!target) return malformed("alias");
    owner = std::move(*target);
  }
  answer.name = host_name(owner).value_or("");
  answer.ttl = Seconds{ttl == 0x7fffffff ? 0 : ttl};
  return answer;
}

}  // namespace postrider::dns
