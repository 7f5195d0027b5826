#include "lib/queue/listing.h"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace postrider;
using namespace postrider::queue;

namespace {

ListedMessage sample() {
  ListedMessage message;
  message.queue = "deferred";
  message.id = "3C2A41F1BCDE";
  message.arrival = 1704067200;
  message.size = 4321;
  message.sender = "a@example.org";
  message.recipients = {
      {"alias@example.org", "b@example.net", "connect to mx[192.0.2.1]:25: Connection timed out"},
      {"", "c@example.net", "connect to mx[192.0.2.1]:25: Connection timed out"},
      {"", "d@example.com", ""}};
  return message;
}

}  // namespace

TEST_CASE("a listing reads back what was written, cut anywhere") {
  std::string wire;
  append_wire(sample(), wire);
  ListedMessage second = sample();
  second.id = "ABC";
  second.recipients.clear();
  append_wire(second, wire);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, wire.size()}) {
    ListingParser parser;
    std::vector<ListedMessage> got;
    for (std::size_t at = 0; at < wire.size(); at += piece)
      REQUIRE(
          parser.feed(std::string_view(wire).substr(at, piece), [&](ListedMessage& m) { got.push_back(m); }));
    REQUIRE(got.size() == 2);
    CHECK(parser.at_message_end());
    CHECK(got[0].recipients.size() == 3);
    CHECK(got[0].recipients[0].original == "alias@example.org");
    CHECK(got[0].recipients[1].original.empty());
    CHECK(got[0].recipients[2].reason.empty());
    CHECK(got[1].id == "ABC");
  }
}

TEST_CASE("mailq prints what monitoring parses") {
  setenv("TZ", "UTC", 1);
  CHECK(mailq_heading(false) == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n");
  CHECK(mailq_text(sample(), false) ==
        "3C2A41F1BCDE    4321 Mon Jan  1 00:00:00  a@example.org\n"
        "                           (connect to mx[192.0.2.1]:25: Connection timed out)\n"
        "                                         b@example.net\n"
        "                                         c@example.net\n"
        "                                         d@example.com\n\n");
  CHECK(mailq_trailer(0, 0) == "Mail queue is empty\n");
  CHECK(mailq_trailer(1, 4321) == "-- 4 Kbytes in 1 Request.\n");
  CHECK(mailq_trailer(2, 99999) == "-- 97 Kbytes in 2 Requests.\n");
}

TEST_CASE("a hostile address cannot move the terminal's cursor") {
  ListedMessage message = sample();
  message.sender = "a\x1b[2J@example.org";
  message.recipients = {{"", "b\n-- 0 Kbytes@example.net", "x\ry"}};
  const std::string text = mailq_text(message, false);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find('\r') == std::string::npos);
  CHECK(text.find("b?-- 0 Kbytes") != std::string::npos);
}

TEST_CASE("json has Postfix's keys in Postfix's order") {
  ListedMessage message = sample();
  message.recipients.resize(1);
  message.sender = "\"q\\\"@example.org";
  CHECK(json_line(message) ==
        "{\"queue_name\": \"deferred\", \"queue_id\": \"3C2A41F1BCDE\", \"arrival_time\": 1704067200, "
        "\"message_size\": 4321, \"forced_expire\": false, \"sender\": \"\\\"q\\\\\\\"@example.org\", "
        "\"recipients\": [{\"orig_address\": \"alias@example.org\", \"address\": \"b@example.net\", "
        "\"delay_reason\": \"connect to mx[192.0.2.1]:25: Connection timed out\"}]}\n");
}
