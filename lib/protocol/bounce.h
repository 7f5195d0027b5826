// What bounce is asked by qmgr: to tell a sender what became of recipients. The recipients in the
// envelope are those to be reported, with dsn, reason and the remote host's words in them.
#pragma once

#include <cstdint>
#include <string>

#include "lib/ipc/codec.h"
#include "lib/queue/content.h"
#include "lib/queue/envelope.h"

namespace postrider::protocol {

struct Notify {
  static constexpr std::string_view name = "bounce.notify/2";
  enum class Kind : std::uint8_t {
    failed,     // returned to sender; to postmaster when the sender is null (double bounce)
    delayed,    // still being tried (delay_warning_time)
    succeeded,  // NOTIFY=SUCCESS, sendmail -v
    verified,   // sendmail -bv: what would have happened
  };
  Kind kind = Kind::failed;
  std::string envelope;  // queue::encode()
  // succeeded: how, a letter for each recipient: 'd' delivered, 'e' expanded, 'r' relayed. What is
  // missing counts as delivered.
  std::string ways;
  queue::Content content;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.kind, Kind::verified);
    v.text(self.envelope, 12U << 20);
    v.text(self.ways, queue::max_recipients);
    v.part(self.content);
  }
};

struct Notified {
  static constexpr std::string_view name = "bounce.notified/1";
  bool done = false;  // durable in the queue, or nobody is to be told; else ask again later
  std::string id;     // of the notification; empty when none was needed
  std::string trouble;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.flag(self.done);
    v.text(self.id, queue::max_queue_id_length);
    v.text(self.trouble, 1024);
  }
};

}  // namespace postrider::protocol
