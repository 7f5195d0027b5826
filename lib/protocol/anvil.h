// Counters that several server processes share: who is connected, and how often. Counts come back in
// the answer; whether they are too many is for the server to say. An Unconnect is not answered; when
// a server's connection to anvil breaks, its clients count as gone.
#pragma once

#include <cstdint>
#include <string>

#include "lib/ipc/codec.h"

namespace postrider::protocol {

struct Connect {
  static constexpr std::string_view name = "anvil.connect/1";
  std::string service;  // "smtp", "submission"
  std::string client;   // numeric address
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.service, 64);
    v.text(self.client, 64);
  }
};

struct Unconnect {
  static constexpr std::string_view name = "anvil.unconnect/1";
  std::string service, client;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.service, 64);
    v.text(self.client, 64);
  }
};

struct CountEvent {
  static constexpr std::string_view name = "anvil.count/1";
  enum class Event : std::uint8_t { message, recipient, new_tls, auth };
  Event event = Event::message;
  std::string service, client;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.event, Event::auth);
    v.text(self.service, 64);
    v.text(self.client, 64);
  }
};

struct Counts {
  static constexpr std::string_view name = "anvil.counts/1";
  std::uint32_t connections = 0;  // open now
  std::uint32_t rate = 0;         // of what was counted, in the current anvil_rate_time_unit
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.number(self.connections, UINT32_MAX);
    v.number(self.rate, UINT32_MAX);
  }
};

}  // namespace postrider::protocol
