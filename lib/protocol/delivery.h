// The contract between qmgr and every delivery agent (local, virtual, pipe, smtp, lmtp, error,
// discard): one request is one message to some recipients at one next hop, one report answers it.
//
// The agent gets the content of that message only, and logs one status line for each
// recipient (delivery_line). A connection carries one request after another; a request whose
// connection breaks is tried again later, so an agent that dies costs at most a second delivery.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ipc/codec.h"
#include "lib/queue/content.h"
#include "lib/queue/envelope.h"

namespace postrider::protocol {

struct DeliveryRequest {
  static constexpr std::string_view name = "delivery.request/2";
  std::string envelope;    // queue::encode(); holds just the recipients of this request
  std::string nexthop;     // as resolved: "[mail.example.org]:25", "example.org", a path, a domain
  std::string queue_name;  // "active"
  queue::Content content;
  WallTime activated;  // when qmgr began with the message, for delays=
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.envelope, 12U << 20);
    v.text(self.nexthop, 1024);
    v.text(self.queue_name, 16);
    v.part(self.content);
    v.time(self.activated);
  }
};

// What became of one recipient.
struct RecipientOutcome {
  enum class Kind : std::uint8_t {
    delivered,  // stored where it ends
    expanded,   // delivered to an alias or list: success is not reported further (RFC 3461 section 7.2.7)
    relayed,    // taken by a server that does not speak DSN (RFC 3461 section 5.2.2)
    passed_on,  // taken by a server that speaks DSN, which reports success itself (section 5.2.1)
    deferred,   // try again
    bounced,    // never will work
  };
  std::uint32_t index = 0;  // of the recipient in the request
  Kind kind = Kind::deferred;
  std::string dsn;           // "2.0.0"
  std::string reason;        // one line: "delivered to maildir", "host x[y] said: …"
  std::string remote_mta;    // host that spoke, if one did
  std::string remote_reply;  // its reply
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.number(self.index, UINT32_MAX);
    v.word(self.kind, Kind::bounced);
    v.text(self.dsn, 16);
    v.text(self.reason, queue::max_reason_bytes);
    v.text(self.remote_mta, 256);
    v.text(self.remote_reply, queue::max_reason_bytes);
  }
};

struct DeliveryReport {
  static constexpr std::string_view name = "delivery.report/1";
  // How the destination itself behaved; steers its concurrency window.
  enum class Destination : std::uint8_t {
    healthy,
    refused,  // it answered, but would not take mail now (4xx to greeting or EHLO)
    dead,     // no address of it could be reached
  };
  std::vector<RecipientOutcome> outcomes;  // recipients that are missing count as deferred
  Destination destination = Destination::healthy;
  std::string destination_reason;  // why it is not healthy: text for the recipients not tried
  std::string destination_dsn;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.list(self.outcomes, 100'000);
    v.word(self.destination, Destination::dead);
    v.text(self.destination_reason, queue::max_reason_bytes);
    v.text(self.destination_dsn, 16);
  }
};

// Moments of a delivery, for delay= and delays=a/b/c/d: arrival to activation, activation to the
// agent's start, connection set-up, transfer.
struct DeliveryTimes {
  WallTime arrival, activated, agent_started, connected, finished;
};

// "to=<r>, orig_to=<o>, relay=local, delay=0.1, delays=0.05/0.01/0/0.04, dsn=2.0.0, status=sent (text)",
// without the queue id. `relay` is "HOST[IP]:PORT", "local", "none", …; `connection_use` 0 or 1 is not shown.
std::string delivery_line(const queue::Recipient& recipient, std::string_view relay, unsigned connection_use,
                          const DeliveryTimes& times, const RecipientOutcome& outcome);

// Seconds as Postfix prints delays: two significant digits, at most `decimals` of them after the point.
std::string format_delay(Microseconds delay, int decimals = 2);

}  // namespace postrider::protocol
