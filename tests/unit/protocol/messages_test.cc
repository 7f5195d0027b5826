#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "lib/protocol/all.h"

using namespace postrider;

namespace {

// Puts something into every field, so that each one's encoding is exercised.
class Filler {
 public:
  void number(std::uint64_t& value) { value = 1; }
  template <class T>
  void number(T& value, std::uint64_t most) {
    value = static_cast<T>(most < 200 ? most : 200);
  }
  void signed_number(std::int64_t& value) { value = -7; }
  void flag(bool& value) { value = true; }
  template <class E>
  void word(E& value, E last) {
    value = last;
  }
  void time(WallTime& value) { value = WallTime(Microseconds(123456789)); }
  void duration(Microseconds& value) { value = Microseconds(-5); }
  void text(std::string& value, std::size_t most) { value = std::string(most < 300 ? most : 300, 'x'); }
  void texts(std::vector<std::string>& values, std::size_t most, std::size_t most_each) {
    values.resize(most < 3 ? most : 3);
    for (std::string& value : values) text(value, most_each);
  }
  template <class M>
  void list(std::vector<M>& values, std::size_t most) {
    values.resize(most < 2 ? most : 2);
    for (M& value : values) M::fields(value, *this);
  }
  template <class M>
  void part(M& value) {
    M::fields(value, *this);
  }
  void fd(os::Fd&) {}
};

template <class M>
std::string encoded(const M& message) {
  std::string bytes;
  std::vector<int> descriptors;
  ipc::Encoder encoder(bytes, descriptors);
  M::fields(message, encoder);
  return bytes;
}

template <class M>
bool decodes(std::string_view bytes, M& message) {
  std::vector<os::Fd> descriptors;
  ipc::Decoder decoder(bytes, descriptors);
  M::fields(message, decoder);
  return decoder.complete();
}

template <class F>
void for_each_message(F f) {
  [&]<class... M>(std::tuple<M...>*) {
    (f.template operator()<M>(), ...);
  }(static_cast<protocol::AllMessages*>(nullptr));
}

}  // namespace

TEST_CASE("every message reads back what was written, and nothing shorter or longer") {
  for_each_message([]<class M>() {
    M filled;
    Filler filler;
    M::fields(filled, filler);
    const std::string bytes = encoded(filled);
    INFO(M::name);
    M copy;
    REQUIRE(decodes(bytes, copy));
    CHECK(encoded(copy) == bytes);
    for (std::size_t n = 0; n < bytes.size(); ++n) {
      M partial;
      CHECK_FALSE(decodes(bytes.substr(0, n), partial));
    }
    M longer;
    CHECK_FALSE(decodes(bytes + '\0', longer));
  });
}

TEST_CASE("no two messages share a tag") {
  std::set<std::uint32_t> tags;
  std::size_t count = 0;
  for_each_message([&]<class M>() {
    tags.insert(ipc::message_tag(M::name));
    ++count;
  });
  CHECK(tags.size() == count);
}

TEST_CASE("flipped bytes never decode into something over its caps") {
  for_each_message([]<class M>() {
    M filled;
    Filler filler;
    M::fields(filled, filler);
    const std::string bytes = encoded(filled);
    INFO(M::name);
    for (std::size_t at = 0; at < bytes.size() && at < 200; ++at) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
      M message;
      // Either refused, or something that can be written again within the same caps.
      if (decodes(damaged, message)) CHECK(encoded(message).size() <= damaged.size());
    }
  });
}

TEST_CASE("delays are printed with two significant digits") {
  using protocol::format_delay;
  CHECK(format_delay(Microseconds(0)) == "0");
  CHECK(format_delay(Microseconds(1'234'000)) == "1.2");
  CHECK(format_delay(Microseconds(12'500'000)) == "12");
  CHECK(format_delay(Microseconds(123'000)) == "0.12");
  CHECK(format_delay(Microseconds(50'000)) == "0.05");
  CHECK(format_delay(Microseconds(4'000)) == "0");
  CHECK(format_delay(Microseconds(-5)) == "0");
}

TEST_CASE("a delivery is logged in the words that log analysers know") {
  queue::Recipient recipient;
  recipient.address = "b@example.org";
  recipient.original = "alias@example.org";
  protocol::RecipientOutcome outcome;
  outcome.kind = protocol::RecipientOutcome::Kind::delivered;
  outcome.dsn = "2.0.0";
  outcome.reason = "delivered to maildir";
  const WallTime start(Microseconds(1'000'000'000));
  const protocol::DeliveryTimes times{start, start + Microseconds(50'000), start + Microseconds(60'000),
                                      start + Microseconds(60'000), start + Microseconds(100'000)};
  CHECK(protocol::delivery_line(recipient, "local", 1, times, outcome) ==
        "to=<b@example.org>, orig_to=<alias@example.org>, relay=local, delay=0.1, delays=0.05/0.01/0/0.04, "
        "dsn=2.0.0, status=sent (delivered to maildir)");
  recipient.original.clear();
  outcome.kind = protocol::RecipientOutcome::Kind::deferred;
  outcome.dsn = "4.4.1";
  outcome.reason = "connect to mx[192.0.2.1]:25: Connection timed out";
  CHECK(protocol::delivery_line(recipient, "mx[192.0.2.1]:25", 3, times, outcome) ==
        "to=<b@example.org>, relay=mx[192.0.2.1]:25, conn_use=3, delay=0.1, delays=0.05/0.01/0/0.04, "
        "dsn=4.4.1, "
        "status=deferred (connect to mx[192.0.2.1]:25: Connection timed out)");
}
