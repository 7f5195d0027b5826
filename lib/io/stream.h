// A byte stream to a peer: buffered both ways, with a limit and a deadline on every wait, in clear or
// under TLS. Used by every protocol server and client; one coroutine reads, the same one writes.
//
// Output is collected by put() and sent by flush(), or by any read that has to wait, so pipelined
// commands are answered in one packet. Buffers exist only while they hold something: a connection
// that waits costs no buffer. All waits throw Ended. Views returned are valid until the next read.
// Not thread-safe. Destroying an open stream resets nothing politely: call close() for a clean end.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/event/watch.h"
#include "lib/io/ended.h"
#include "lib/os/fd.h"
#include "lib/tls/engine.h"

namespace postrider::io {

// Where the private key is: the keys process. Outlives the streams that use it.
class KeySigner {
 public:
  virtual ~KeySigner() = default;
  virtual event::Task<Result<std::string>> sign(tls::SignRequest request, MonoTime deadline) = 0;
};

// One line of input, without its ending.
struct Line {
  enum class Ending { crlf, lf };  // a CR elsewhere stays in the text
  std::string_view text;
  Ending ending = Ending::crlf;
  bool too_long = false;  // `text` holds the first `limit` bytes, the rest was thrown away
};

class Stream {
 public:
  // The stop token ends every wait of this stream with Ended::stopped.
  Stream(event::Loop& loop, os::Fd socket, event::StopToken stop = {});
  ~Stream();
  Stream(Stream&&) = delete;

  // The next line. Bytes beyond `limit` are discarded up to the newline, at most 64 times the limit,
  // then the connection counts as lost.
  event::Task<Line> read_line(std::size_t limit, MonoTime deadline);
  // A line that is complete in the buffer already; no I/O. Throws only for an endless line.
  std::optional<Line> buffered_line(std::size_t limit);

  // All bytes that are buffered, at least one; waits for them when there are none. Nothing is consumed:
  // call consume() with what was used, up to the size of the view.
  event::Task<std::string_view> peek(MonoTime deadline);
  void consume(std::size_t count);

  // Exactly `count` bytes (at most 64 KiB), consumed.
  event::Task<std::string_view> read_exactly(std::size_t count, MonoTime deadline);

  // Is input waiting in the buffer (a pipelining client), not counting the kernel's?
  bool has_buffered_input() const { return begin_ < end_; }
  // The same, counting what the kernel already holds. One system call.
  bool input_is_ready();

  // Puts bytes back in front of the input: what another process read before it handed the socket over.
  void unread(std::string_view bytes);

  // Forgets input that arrived and was not read: before STARTTLS takes over. Returns how much it was.
  std::size_t discard_input();

  void put(std::string_view bytes) { output_ += bytes; }
  std::size_t pending_output() const { return output_.size(); }
  event::Task<> flush(MonoTime deadline);
  // put(), and flush() whenever more than 32 KiB wait.
  event::Task<> write(std::string_view bytes, MonoTime deadline);

  // Flushes, sends TLS close_notify where it applies, shuts the socket down. The stream is unusable after it.
  event::Task<> close(MonoTime deadline);

  // Performs the handshake; buffered clear-text input must have been discarded. `keys` is null for
  // clients. An error (peer, temporary) leaves the stream good for nothing but destruction.
  event::Task<Result<>> start_tls(tls::Engine engine, KeySigner* keys, MonoTime deadline);
  bool secure() const { return tls_ != nullptr; }
  const tls::Engine* engine() const { return tls_.get(); }

  // For a process that serves this stream and nothing else, and alone holds the socket: it waits within recv
  // and send, each at most `patience`, which stands for all deadlines. That saves four of six system calls
  // around a command. The loop stands still meanwhile and no stop token is looked at.
  Result<> wait_alone(Seconds patience);

  // Sends what is pending whenever a read has to wait, with this much time for it.
  void set_write_timeout(Seconds timeout) { write_timeout_ = timeout; }
  std::uint64_t bytes_received() const { return received_; }  // plain bytes, since construction
  const os::Fd& socket() const { return socket_; }

 private:
  event::Task<> fill(MonoTime deadline);
  event::Task<> receive(MonoTime deadline);
  event::Task<std::size_t> receive_cipher(MonoTime deadline);
  event::Task<> send(std::string_view bytes, MonoTime deadline);
  event::Task<> send_cipher(MonoTime deadline);
  event::Task<> await(bool readable, MonoTime deadline);
  void keep_for_output(std::string sent);
  bool read_plain_buffered();
  void make_room();
  std::optional<Line> find_line(std::size_t limit);

  event::Loop& loop_;
  os::Fd socket_;
  event::StopToken stop_;
  event::Watch watch_;
  bool alone_ = false;  // the socket blocks
  Seconds write_timeout_{300};
  std::uint64_t received_ = 0;

  std::unique_ptr<char[]> input_;  // absent while empty
  std::size_t capacity_ = 0;
  bool drained_ = false;  // the last receive took all the kernel had
  std::size_t begin_ = 0, end_ = 0;
  std::size_t scanned_ = 0;    // no newline before this place
  std::size_t discarded_ = 0;  // of the over-long line that is being skipped
  std::string kept_;           // the first bytes of that line
  bool skipping_ = false;
  bool skipped_cr_ = false;  // the last byte thrown away was a CR

  std::string output_;
  std::unique_ptr<tls::Engine> tls_;
};

}  // namespace postrider::io
