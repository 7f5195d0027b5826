// Typed messages over a connected AF_UNIX stream, with descriptors.
//
// Frame: u32 payload length, u32 message tag, u32 call number, u32 number of descriptors (little-endian),
// payload; the descriptors travel with the frame's first byte. A frame that breaks a cap, a tag nobody
// expects or a payload that does not decode is a misbehaving peer: receive throws Ended::lost, and the
// process goes on with its other peers. All waits have deadlines. One reader and one writer coroutine at
// most.
//
// The call number tells which question an answer belongs to, on connections that many share (caller.h,
// call.h). A conversation of two is numbered 0 throughout, and a server that answers one frame after
// another answers each with the number it came with.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/event/loop.h"
#include "lib/event/watch.h"
#include "lib/io/ended.h"
#include "lib/ipc/codec.h"
#include "lib/os/fd.h"
#include "lib/os/socket.h"

namespace postrider::ipc {

inline constexpr std::size_t max_payload = 13 << 20;
inline constexpr std::size_t max_descriptors = 16;  // per frame

// A message as it came: look at the tag with as<M>().
class Frame {
 public:
  // The message, if this is one of type M and decodes completely; descriptors move into it.
  template <class M>
  std::optional<M> as() {
    if (tag_ != message_tag(M::name)) return std::nullopt;
    M message;
    Decoder decoder(payload_, descriptors_);
    M::fields(message, decoder);
    if (!decoder.complete()) return std::nullopt;
    return message;
  }
  template <class M>
  bool is() const {
    return tag_ == message_tag(M::name);
  }
  const std::string& payload() const { return payload_; }
  std::uint32_t call() const { return call_; }

 private:
  friend class Channel;
  std::uint32_t tag_ = 0;
  std::uint32_t call_ = 0;
  std::string payload_;
  std::vector<os::Fd> descriptors_;
};

class Channel {
 public:
  Channel(event::Loop& loop, os::Fd socket, event::StopToken stop = {});
  Channel(Channel&&) = delete;

  // Queues a message; flush() or any receive that waits sends what is queued, in one system call
  // where no descriptors are involved. The message's descriptors are duplicated at once.
  template <class M>
  void put(const M& message) {
    put_as(answering_, message);
  }
  // The same, as part of call number `call`.
  template <class M>
  void put_as(std::uint32_t call, const M& message) {
    begin_frame(message_tag(M::name), call);
    Encoder encoder(output_, frame_descriptors_);
    M::fields(message, encoder);
    end_frame();
  }
  std::size_t pending_output() const { return output_.size(); }
  // Has what is queued sent when this turn of the loop ends, together with all that is queued until then;
  // what the peer has no room for follows when it has. For channels that nobody flushes. The reader notices
  // when the peer is gone, or when something could not be sent.
  void post() { posting_.arm(); }
  event::Task<> flush(MonoTime deadline);
  template <class M>
  event::Task<> send(const M& message, MonoTime deadline) {
    put(message);
    return flush(deadline);
  }

  event::Task<Frame> receive(MonoTime deadline);
  // A frame that is complete in the buffer already.
  std::optional<Frame> buffered_frame();

  // The next message, which must be an M.
  template <class M>
  event::Task<M> expect(MonoTime deadline) {
    Frame frame = co_await receive(deadline);
    std::optional<M> message = frame.as<M>();
    if (!message) throw io::Ended{io::Ended::Why::lost, "unexpected message"};
    co_return std::move(*message);
  }
  template <class Reply, class Request>
  event::Task<Reply> call(const Request& request, MonoTime deadline) {
    put(request);
    return expect<Reply>(deadline);
  }

  std::uint32_t answering() const { return answering_; }  // the number of the frame received last

  // Whether the peer closed or sent something unasked: a pooled channel that is no longer fresh.
  bool is_stale();
  const os::Fd& socket() const { return socket_; }
  // For waits that begin from now on.
  void set_stop(event::StopToken stop) { stop_ = stop; }

 private:
  struct Attached {
    std::size_t offset;  // in output_, of the frame they travel with
    std::vector<os::Fd> descriptors;
  };
  class Posting final : public event::AtTurnEnd {
   public:
    Posting(event::Loop& loop, Channel& channel) : AtTurnEnd(loop), channel_(channel) {}
    void turn_ends() override { channel_.send_posted(); }

   private:
    Channel& channel_;
  };
  void begin_frame(std::uint32_t tag, std::uint32_t call);
  void end_frame();
  bool send_now();
  void send_posted();
  event::Task<> send_rest();
  ssize_t receive_now();

  os::Fd socket_;
  event::StopToken stop_;
  event::Watch watch_;

  std::uint32_t answering_ = 0;
  std::string output_;
  std::size_t sent_ = 0;  // of output_
  bool flushing_ = false;
  std::size_t frame_start_ = 0;
  std::vector<int> frame_descriptors_;
  std::deque<Attached> attached_;

  Posting posting_;
  event::Task<> rest_;  // of posted frames, while the peer has no room

  std::string input_;
  std::size_t input_begin_ = 0;
  bool drained_ = false;  // the last receive took all there was
  std::deque<os::Fd> received_;
};

}  // namespace postrider::ipc
