#include "lib/queue/envelope.h"

#include <catch2/catch.hpp>

#include "lib/queue/bytes.h"

using namespace postrider;
using namespace postrider::queue;

namespace {

Envelope rich_envelope() {
  Envelope e;
  e.id = QueueId::make_short(WallTime(Microseconds(1'704'067'200'123'456)), 7);
  e.arrival = WallTime(Microseconds(1'704'067'200'123'400));
  e.sender = "ann@example.org";
  e.size = 4321;
  e.flags = flag::smtputf8 | flag::hold;
  e.encoding = BodyEncoding::eight_bit_mime;
  e.dsn_return = DsnReturn::headers;
  e.envid = "QQ314159";
  e.full_name = "Ann Ä";
  e.content_filter = "scan:[127.0.0.1]:10025";
  e.rewrite_context = "remote";
  e.verp_delimiters = "+=";
  e.sasl_method = "PLAIN";
  e.sasl_username = "ann";
  e.sasl_sender = "x@example.org";
  e.orig_queue_id = "ABC";
  e.submitter_uid = 1000;
  e.client = {"mail.example.net", "ptr.example.net", "192.0.2.1", "4711", "helo.example", "ESMTP"};
  e.forwarded.address = "2001:db8::1";
  Recipient a;
  a.address = "bob@example.com";
  a.original = "info@example.com";
  a.orcpt = "rfc822;info@example.com";
  a.notify = notify::success | notify::failure;
  a.status = RecipientStatus::bounced;
  a.attempts = 3;
  a.dsn = "4.4.1";
  a.reason = "connect to mx.example.com[192.0.2.9]:25: Connection timed out";
  a.remote_mta = "mx.example.com";
  a.remote_reply = "451 try later";
  Recipient b;
  b.address = "carol@example.com";
  e.recipients = {a, b};
  return e;
}

}  // namespace

TEST_CASE("an envelope comes back as it was encoded") {
  const Envelope e = rich_envelope();
  const auto bytes = encode(e);
  REQUIRE(bytes);
  const auto back = decode_envelope(*bytes);
  REQUIRE(back);
  CHECK(*back == e);
  const auto empty = encode(Envelope{});
  REQUIRE(empty);
  CHECK(empty->size() == 2);
  CHECK(*decode_envelope(*empty) == Envelope{});
}

TEST_CASE("an envelope cut off anywhere is refused or shorter, never misread") {
  const auto bytes = encode(rich_envelope());
  REQUIRE(bytes);
  std::size_t accepted = 0;
  for (std::size_t length = 0; length < bytes->size(); ++length) {
    const auto back = decode_envelope(std::string_view(*bytes).substr(0, length));
    if (back) {
      ++accepted;
      CHECK_FALSE(*back == rich_envelope());
    }
  }
  CHECK(accepted < 30);  // only at the ends of fields
}

TEST_CASE("every byte of an envelope may be flipped without harm") {
  const auto bytes = encode(rich_envelope());
  REQUIRE(bytes);
  for (std::size_t at = 0; at < bytes->size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = *bytes;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      const auto back = decode_envelope(bad);
      if (back) CHECK(back->recipients.size() <= 2);
    }
}

TEST_CASE("fields of a newer version are skipped") {
  auto bytes = encode(rich_envelope());
  REQUIRE(bytes);
  put_field(*bytes, 4000, "from the future");
  std::string recipient;
  put_field(recipient, 1, "dave@example.com");
  put_field(recipient, 77, "also new");
  put_field(*bytes, 20, recipient);
  const auto back = decode_envelope(*bytes);
  REQUIRE(back);
  REQUIRE(back->recipients.size() == 3);
  CHECK(back->recipients[2].address == "dave@example.com");
}

TEST_CASE("line breaks and NUL never enter an envelope, on either side") {
  for (const std::string& bad : {std::string("a\nb"), std::string("a\rb"), std::string("a\0b", 3)}) {
    Envelope e;
    e.sender = bad;
    CHECK_FALSE(encode(e));
    e = {};
    e.client.helo = bad;
    CHECK_FALSE(encode(e));
    e = {};
    e.recipients.resize(1);
    e.recipients[0].original = bad;
    CHECK_FALSE(encode(e));
    std::string bytes("E\1", 2);
    put_field(bytes, 3, bad);
    CHECK_FALSE(decode_envelope(bytes));
  }
}

TEST_CASE("fields over their caps are refused, reasons are clipped and cleaned") {
  Envelope e;
  e.recipients.resize(1);
  e.recipients[0].address = std::string(max_address_bytes + 1, 'a');
  const auto refused = encode(e);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().is(Trouble::permanent));
  CHECK(refused.error().text() == "envelope: recipient too long");
  e.recipients[0].address = std::string(max_address_bytes, 'a');
  e.recipients[0].reason = "line one\nline two\x1b[2J" + std::string(3 * max_reason_bytes, 'x');
  const auto bytes = encode(e);
  REQUIRE(bytes);
  const auto back = decode_envelope(*bytes);
  REQUIRE(back);
  CHECK(back->recipients[0].reason.size() == max_reason_bytes);
  CHECK(back->recipients[0].reason.substr(0, 22) == "line one line two [2Jx");
}

TEST_CASE("a length beyond the input allocates nothing") {
  std::string bytes("E\1", 2);
  put_varint(bytes, 20);
  put_varint(bytes, UINT64_MAX);
  CHECK_FALSE(decode_envelope(bytes));
  CHECK_FALSE(decode_envelope(std::string("E\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 13)));
}
