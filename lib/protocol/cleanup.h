// What cleanup is asked: queue ids ahead of time, and messages to be committed.
//
// Clients: smtpd (network, untrusted beyond its own caps), pickup, bounce, local. A small submission is
// one SubmitWhole, a call that others may share the connection with. A larger one is a conversation:
// Submit, any number of Content, then ContentEnd; one Submitted answers it, possibly before the end
// was sent (the rest is read and thrown away). A connection serves one such after another.
// Submitted with Outcome::queued is the promise that the message is on stable storage.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ipc/codec.h"
#include "lib/queue/envelope.h"

namespace postrider::protocol {

// Queue ids that nobody else will get; a client may keep them for as long as it lives.
struct ReserveIds {
  static constexpr std::string_view name = "cleanup.reserve-ids/1";
  std::uint32_t count = 1;  // at most 64
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.number(self.count, 64);
  }
};

struct ReservedIds {
  static constexpr std::string_view name = "cleanup.reserved-ids/1";
  std::vector<std::string> ids;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.texts(self.ids, 64, queue::max_queue_id_length);
  }
};

struct Submit {
  static constexpr std::string_view name = "cleanup.submit/1";
  enum class Origin : std::uint8_t { network, local, internal };  // internal: bounce, forward
  std::string envelope;  // queue::encode(); its id is a reserved one, or empty for a new one
  Origin origin = Origin::network;
  bool skip_checks = false;    // receive_override_options=no_header_body_checks
  bool skip_mappings = false;  // receive_override_options=no_address_mappings
  bool skip_filters = false;   // receive_override_options=no_milters
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.envelope, 12U << 20);
    v.word(self.origin, Origin::internal);
    v.flag(self.skip_checks);
    v.flag(self.skip_mappings);
    v.flag(self.skip_filters);
  }
};

// A whole submission in one question, which Submitted answers: for messages that were gathered in memory.
struct SubmitWhole {
  static constexpr std::string_view name = "cleanup.submit-whole/1";
  static constexpr std::size_t most = 64 * 1024;
  Submit submit;
  std::string content;  // lines end in LF
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.part(self.submit);
    v.text(self.content, most);
  }
};

struct Content {
  static constexpr std::string_view name = "cleanup.content/1";
  static constexpr std::size_t most = 64 * 1024;
  std::string bytes;  // lines end in LF
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.bytes, most);
  }
};

struct ContentEnd {
  static constexpr std::string_view name = "cleanup.content-end/2";
  bool abandoned = false;  // the client vanished: throw everything away; answered all the same
  // What became of the envelope while the content was on its way.
  bool hold = false, discard = false;
  std::string redirect;        // to this address instead; empty: as Submit said
  std::string content_filter;  // likewise
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.flag(self.abandoned);
    v.flag(self.hold);
    v.flag(self.discard);
    v.text(self.redirect, queue::max_address_bytes);
    v.text(self.content_filter, 1024);
  }
};

struct Submitted {
  static constexpr std::string_view name = "cleanup.submitted/1";
  enum class Outcome : std::uint8_t {
    queued,     // durable
    no_space,   // 452 4.3.1
    temporary,  // 451 4.3.0
    too_large,  // 552 5.3.4
    rejected,   // 550 5.7.1, or as `reply` says
    discarded,  // a rule dropped it; the client hears success
    abandoned,
  };
  Outcome outcome = Outcome::temporary;
  std::string id;
  std::string dsn;    // enhanced status code, may be empty
  std::string reply;  // text for the client, may be empty
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.outcome, Outcome::abandoned);
    v.text(self.id, queue::max_queue_id_length);
    v.text(self.dsn, 16);
    v.text(self.reply, 1024);
  }
};

}  // namespace postrider::protocol
