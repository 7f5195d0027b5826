#include "lib/io/stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace postrider::io {

namespace {

constexpr std::size_t input_size = 16 * 1024;
constexpr std::size_t input_most = 64 * 1024;
// What one send takes. Twice as much stays below malloc's threshold for mapping memory of its own, whose
// every page would be a fault.
constexpr std::size_t output_most = 32 * 1024;

[[noreturn]] void throw_lost(int os_error) {
  throw Ended{Ended::Why::lost, os_error == 0 ? "" : std::strerror(os_error)};
}

}  // namespace

Stream::Stream(event::Loop& loop, os::Fd socket, event::StopToken stop)
    : loop_(loop), socket_(std::move(socket)), stop_(stop), watch_(loop, socket_.get()) {}

Stream::~Stream() = default;

event::Task<> Stream::await(bool readable, MonoTime deadline) {
  if (alone_) throw Ended{Ended::Why::timed_out, ""};  // the system call has waited
  event::Woken woken{};
  if (readable)
    woken = co_await watch_.readable(deadline, stop_);
  else
    woken = co_await watch_.writable(deadline, stop_);
  if (woken == event::Woken::timed_out) throw Ended{Ended::Why::timed_out, ""};
  if (woken == event::Woken::stopped) throw Ended{Ended::Why::stopped, ""};
}

Result<> Stream::wait_alone(Seconds patience) {
  timeval limit{};
  limit.tv_sec = patience.count();
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
    if (::setsockopt(socket_.get(), SOL_SOCKET, option, &limit, sizeof limit) != 0)
      return fail_errno("patience of a socket");
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket_.get(), F_SETFL, flags & ~O_NONBLOCK) < 0)
    return fail_errno("make a socket block");
  alone_ = true;
  return {};
}

// ---- input

void Stream::make_room() {
  if (begin_ == end_) begin_ = end_ = scanned_ = 0;
  if (!input_) {
    input_ = std::make_unique_for_overwrite<char[]>(input_size);
    capacity_ = input_size;
  }
  if (end_ < capacity_) return;
  if (begin_ > 0) {
    std::memmove(input_.get(), input_.get() + begin_, end_ - begin_);
    scanned_ -= std::min(scanned_, begin_);
    end_ -= begin_;
    begin_ = 0;
    return;
  }
  auto larger = std::make_unique_for_overwrite<char[]>(capacity_ * 2);
  std::memcpy(larger.get(), input_.get(), end_);
  input_ = std::move(larger);
  capacity_ *= 2;
}

// At least one more byte into the buffer; pending output goes out before any wait.
event::Task<> Stream::fill(MonoTime deadline) {
  if (!output_.empty()) co_await flush(std::min(deadline, loop_.after(write_timeout_)));
  output_.shrink_to_fit();  // to nothing: a quiet connection holds no buffer
  if (tls_) {
    while (!read_plain_buffered()) {
      co_await receive_cipher(deadline);
    }
  } else {
    co_await receive(deadline);
  }
}

event::Task<> Stream::receive(MonoTime deadline) {
  while (true) {
    if (!drained_ || alone_ || watch_.hung_up()) {
      make_room();
      const std::size_t room = capacity_ - end_;
      const ssize_t got = ::recv(socket_.get(), input_.get() + end_, room, 0);
      if (got > 0) {
        drained_ = static_cast<std::size_t>(got) < room;
        end_ += static_cast<std::size_t>(got);
        received_ += static_cast<std::size_t>(got);
        co_return;
      }
      if (got == 0) throw_lost(0);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) throw_lost(errno);
    }
    drained_ = false;
    // A quiet connection holds no buffer.
    if (begin_ == end_) {
      input_.reset();
      capacity_ = begin_ = end_ = scanned_ = 0;
    }
    co_await await(true, deadline);
  }
}

event::Task<std::size_t> Stream::receive_cipher(MonoTime deadline) {
  while (true) {
    if (!drained_ || alone_ || watch_.hung_up()) {
      // A TLS record at most; a scratch on the stack, which the coroutine frame does not keep while it waits.
      const auto receive_now = [this]() -> ssize_t {
        char scratch[16 * 1024 + 512];
        const ssize_t got = ::recv(socket_.get(), scratch, sizeof scratch, 0);
        if (got <= 0) return got;
        tls_->feed({scratch, static_cast<std::size_t>(got)});
        drained_ = static_cast<std::size_t>(got) < sizeof scratch;
        return got;
      };
      const ssize_t got = receive_now();
      if (got > 0) co_return static_cast<std::size_t>(got);
      if (got == 0) throw_lost(0);
      if (errno == EINTR) continue;
      if (errno != EAGAIN) throw_lost(errno);
    }
    drained_ = false;
    if (begin_ == end_) {
      input_.reset();
      capacity_ = begin_ = end_ = scanned_ = 0;
    }
    co_await await(true, deadline);
  }
}

bool Stream::read_plain_buffered() {
  make_room();
  std::size_t size = 0;
  switch (tls_->read_plain({input_.get() + end_, capacity_ - end_}, size)) {
    case tls::Step::done:
      end_ += size;
      received_ += size;
      return true;
    case tls::Step::want_input: return false;
    case tls::Step::closed: throw_lost(0);
    default: throw Ended{Ended::Why::lost, tls_->error().text()};
  }
}

// The line that is complete in the buffer, if one is; skips the rest of an over-long one.
std::optional<Line> Stream::find_line(std::size_t limit) {
  if (begin_ == end_) return std::nullopt;
  const std::size_t from = std::max(scanned_, begin_);
  const void* newline = std::memchr(input_.get() + from, '\n', end_ - from);
  if (!newline) {
    scanned_ = end_;
    if (!skipping_ && end_ - begin_ <= limit + 1) return std::nullopt;  // one more for a CR
    if (!skipping_) kept_.assign(input_.get() + begin_, limit);
    skipping_ = true;
    discarded_ += end_ - begin_;
    skipped_cr_ = input_[end_ - 1] == '\r';
    begin_ = end_;
    if (discarded_ > limit * 64) throw Ended{Ended::Why::lost, "endless line"};
    return std::nullopt;
  }
  const char* start = input_.get() + begin_;
  std::size_t length = static_cast<std::size_t>(static_cast<const char*>(newline) - start);
  begin_ += length + 1;
  scanned_ = begin_;
  Line line;
  line.ending = Line::Ending::lf;
  if (length > 0 && start[length - 1] == '\r') {
    line.ending = Line::Ending::crlf;
    --length;
  }
  if (skipping_) {
    if (length == 0 && skipped_cr_) line.ending = Line::Ending::crlf;
    skipping_ = false;
    discarded_ = 0;
    line.text = kept_;
    line.too_long = true;
    return line;
  }
  line.too_long = length > limit;
  line.text = {start, std::min(length, limit)};
  return line;
}

std::optional<Line> Stream::buffered_line(std::size_t limit) {
  const std::size_t from = std::max(scanned_, begin_);
  if (from >= end_ || !std::memchr(input_.get() + from, '\n', end_ - from)) return std::nullopt;
  return find_line(limit);
}

event::Task<Line> Stream::read_line(std::size_t limit, MonoTime deadline) {
  while (true) {
    const std::optional<Line> line = find_line(limit);
    if (line) co_return *line;
    co_await fill(deadline);
  }
}

event::Task<std::string_view> Stream::peek(MonoTime deadline) {
  if (begin_ == end_) co_await fill(deadline);
  co_return std::string_view(input_.get() + begin_, end_ - begin_);
}

void Stream::consume(std::size_t count) {
  begin_ += std::min(count, end_ - begin_);
  scanned_ = begin_;
}

event::Task<std::string_view> Stream::read_exactly(std::size_t count, MonoTime deadline) {
  count = std::min(count, input_most);
  while (end_ - begin_ < count) {
    co_await fill(deadline);
  }
  const std::string_view bytes(input_.get() + begin_, count);
  consume(count);
  co_return bytes;
}

void Stream::unread(std::string_view bytes) {
  const std::size_t size = bytes.size() + (end_ - begin_);
  const std::size_t capacity = std::max(input_size, size);
  auto joined = std::make_unique_for_overwrite<char[]>(capacity);
  bytes.copy(joined.get(), bytes.size());
  if (input_) std::memcpy(joined.get() + bytes.size(), input_.get() + begin_, end_ - begin_);
  input_ = std::move(joined);
  capacity_ = capacity;
  begin_ = scanned_ = 0;
  end_ = size;
}

bool Stream::input_is_ready() {
  if (has_buffered_input()) return true;
  int waiting = 0;
  return ::ioctl(socket_.get(), FIONREAD, &waiting) == 0 && waiting > 0;
}

std::size_t Stream::discard_input() {
  std::size_t dropped = end_ - begin_;
  begin_ = end_ = scanned_ = 0;
  skipping_ = false;
  discarded_ = 0;
  // What the kernel holds was sent in clear as well: it must not reach the TLS engine.
  if (!tls_) {
    char scratch[4096];
    while (true) {
      const ssize_t got = ::recv(socket_.get(), scratch, sizeof scratch, MSG_DONTWAIT);
      if (got <= 0 || dropped > input_most) break;
      dropped += static_cast<std::size_t>(got);
    }
  }
  return dropped;
}

// ---- output

event::Task<> Stream::send(std::string_view bytes, MonoTime deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) throw_lost(errno);
    co_await await(false, deadline);
  }
}

event::Task<> Stream::send_cipher(MonoTime deadline) {
  while (tls_->has_output()) {
    const std::string cipher = tls_->take_output();
    co_await send(cipher, deadline);
  }
}

event::Task<> Stream::flush(MonoTime deadline) {
  // What is put meanwhile is sent next time.
  std::string bytes = std::exchange(output_, {});
  if (!tls_) {
    co_await send(bytes, deadline);
    keep_for_output(std::move(bytes));
    co_return;
  }
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, output_most);
    if (tls_->write_plain(part) != tls::Step::done) throw Ended{Ended::Why::lost, tls_->error().text()};
    rest.remove_prefix(part.size());
    co_await send_cipher(deadline);
  }
  keep_for_output(std::move(bytes));
}

// A sent buffer's memory serves for what comes next, until a read has to wait.
void Stream::keep_for_output(std::string sent) {
  if (!output_.empty() || sent.capacity() > 4 * output_most) return;
  sent.clear();
  output_ = std::move(sent);
}

event::Task<> Stream::write(std::string_view bytes, MonoTime deadline) {
  put(bytes);
  if (output_.size() > output_most) co_await flush(deadline);
}

event::Task<> Stream::close(MonoTime deadline) {
  co_await flush(deadline);
  if (tls_ && tls_->shutdown() == tls::Step::done) co_await send_cipher(deadline);
  ::shutdown(socket_.get(), SHUT_RDWR);
}

event::Task<Result<>> Stream::start_tls(tls::Engine engine, KeySigner* keys, MonoTime deadline) {
  co_await flush(deadline);
  tls_ = std::make_unique<tls::Engine>(std::move(engine));
  while (true) {
    const tls::Step step = tls_->handshake();
    co_await send_cipher(deadline);
    switch (step) {
      case tls::Step::done: co_return Result<>{};
      case tls::Step::want_input: co_await receive_cipher(deadline); break;
      case tls::Step::want_key: {
        if (!keys) co_return fail(Trouble::configuration, "no process holds the private key");
        Result<std::string> signature = co_await keys->sign(tls_->sign_request(), deadline);
        tls_->answer_key(std::move(signature));
        break;
      }
      case tls::Step::closed: throw_lost(0);
      case tls::Step::failed: co_return fail(tls_->error());
    }
  }
}

}  // namespace postrider::io
