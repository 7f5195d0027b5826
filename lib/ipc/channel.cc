#include "lib/ipc/channel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

namespace postrider::ipc {

namespace {

constexpr std::size_t header_size = 16;
constexpr std::size_t receive_size = 64 * 1024;
// Below this a drained buffer is kept: channels between busy processes are few.
constexpr std::size_t keep_capacity = 4 * 1024;

std::uint32_t load32(const char* at) {
  std::uint32_t value = 0;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void store32(char* at, std::size_t value) {
  const auto narrow = static_cast<std::uint32_t>(value);
  std::memcpy(at, &narrow, sizeof narrow);
}

[[noreturn]] void throw_lost(const char* why) { throw io::Ended{io::Ended::Why::lost, why}; }

void check(event::Woken woken) {
  if (woken == event::Woken::timed_out) throw io::Ended{io::Ended::Why::timed_out, ""};
  if (woken == event::Woken::stopped) throw io::Ended{io::Ended::Why::stopped, ""};
}

}  // namespace

Channel::Channel(event::Loop& loop, os::Fd socket, event::StopToken stop)
    : socket_(std::move(socket)), stop_(stop), watch_(loop, socket_.get()), posting_(loop, *this) {}

void Channel::begin_frame(std::uint32_t tag, std::uint32_t call) {
  frame_start_ = output_.size();
  output_.append(header_size, '\0');
  store32(output_.data() + frame_start_ + 4, tag);
  store32(output_.data() + frame_start_ + 8, call);
}

void Channel::end_frame() {
  store32(output_.data() + frame_start_, output_.size() - frame_start_ - header_size);
  store32(output_.data() + frame_start_ + 12, frame_descriptors_.size());
  if (frame_descriptors_.empty()) return;
  Attached attached{frame_start_, {}};
  for (const int number : frame_descriptors_) {
    os::Fd borrowed(number);
    attached.descriptors.push_back(borrowed.duplicate());
    static_cast<void>(borrowed.release());
  }
  frame_descriptors_.clear();
  attached_.push_back(std::move(attached));
}

// Sends until the peer has no room: false. Throws when it is gone.
bool Channel::send_now() {
  while (sent_ < output_.size()) {
    // Up to the next frame with descriptors, which must begin a system call of its own.
    std::size_t end = output_.size();
    msghdr message{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_descriptors)];
    if (!attached_.empty()) {
      if (attached_.front().offset > sent_) {
        end = attached_.front().offset;
      } else {
        const auto& descriptors = attached_.front().descriptors;
        const std::size_t size = sizeof(int) * descriptors.size();
        if (descriptors.size() > max_descriptors) throw_lost("too many descriptors in one message");
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(size);
        std::memset(control, 0, sizeof control);
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        for (std::size_t i = 0; i < descriptors.size(); ++i) {
          const int number = descriptors[i].get();
          std::memcpy(CMSG_DATA(header) + i * sizeof(int), &number, sizeof number);
        }
        if (attached_.size() > 1) end = attached_[1].offset;
      }
    }
    iovec part{output_.data() + sent_, end - sent_};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (count >= 0) {
      if (message.msg_control) attached_.pop_front();
      sent_ += static_cast<std::size_t>(count);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) throw_lost(std::strerror(errno));
    output_.erase(0, sent_);
    for (Attached& attached : attached_) attached.offset -= sent_;
    sent_ = 0;
    return false;
  }
  output_.clear();
  sent_ = 0;
  if (output_.capacity() > keep_capacity) output_.shrink_to_fit();
  return true;
}

event::Task<> Channel::flush(MonoTime deadline) {
  if (!rest_.done()) co_return;  // it sends these too
  struct Flushing {
    bool& flag;
    explicit Flushing(bool& set) : flag(set) { flag = true; }
    ~Flushing() { flag = false; }
  };
  const Flushing flushing(flushing_);
  while (!send_now()) {
    const event::Woken woken = co_await watch_.writable(deadline, stop_);
    check(woken);
  }
}

void Channel::send_posted() {
  if (!rest_.done() || flushing_) return;  // they send these too
  rest_ = send_rest();
  rest_.start();
}

event::Task<> Channel::send_rest() {
  try {
    while (!send_now()) co_await watch_.writable(no_deadline, {});
  } catch (const io::Ended&) {
    // The peer may be there, and what could not be sent ours: a descriptor that could not be duplicated.
    // Nobody would ever answer that, so the reader is told that this is the end.
    ::shutdown(socket_.get(), SHUT_RDWR);
    output_.clear();
    attached_.clear();
    sent_ = 0;
  }
}

ssize_t Channel::receive_now() {
  const std::size_t before = input_.size();
  ssize_t count = 0;
  msghdr message{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * max_descriptors)];
  input_.resize_and_overwrite(before + receive_size, [&](char* data, std::size_t) {
    iovec part{data + before, receive_size};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    do count = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    return before + (count > 0 ? static_cast<std::size_t>(count) : 0);
  });
  // A receive ends where descriptors were, though more may follow.
  drained_ = count < static_cast<ssize_t>(receive_size) && message.msg_controllen == 0;
  if (count < 0) return count;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t numbers = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < numbers; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(header) + i * sizeof(int), sizeof number);
      received_.emplace_back(number);
    }
  }
  if (message.msg_flags & MSG_CTRUNC) throw_lost("descriptors were lost on the way");
  return count;
}

std::optional<Frame> Channel::buffered_frame() {
  const std::size_t have = input_.size() - input_begin_;
  if (have < header_size) return std::nullopt;
  const char* at = input_.data() + input_begin_;
  const std::size_t length = load32(at);
  const std::size_t descriptors = load32(at + 12);
  if (length > max_payload || descriptors > max_descriptors) throw_lost("message over its limits");
  if (have < header_size + length) return std::nullopt;
  if (received_.size() < descriptors) throw_lost("descriptors are missing");
  Frame frame;
  frame.tag_ = load32(at + 4);
  frame.call_ = answering_ = load32(at + 8);
  frame.payload_.assign(at + header_size, length);
  for (std::size_t i = 0; i < descriptors; ++i) {
    frame.descriptors_.push_back(std::move(received_.front()));
    received_.pop_front();
  }
  input_begin_ += header_size + length;
  if (input_begin_ == input_.size()) {
    input_.clear();
    input_begin_ = 0;
  }
  return frame;
}

event::Task<Frame> Channel::receive(MonoTime deadline) {
  while (true) {
    std::optional<Frame> frame = buffered_frame();
    if (frame) co_return std::move(*frame);
    if (!output_.empty() && !posting_.armed()) co_await flush(deadline);
    if (input_begin_ > 0) {
      input_.erase(0, input_begin_);
      input_begin_ = 0;
    }
    if (!drained_ || watch_.hung_up()) {
      const ssize_t count = receive_now();
      if (count > 0) continue;
      if (count == 0) throw_lost("closed");
      if (errno != EAGAIN) throw_lost(std::strerror(errno));
    }
    drained_ = false;
    if (input_.empty() && input_.capacity() > keep_capacity) input_.shrink_to_fit();
    const event::Woken woken = co_await watch_.readable(deadline, stop_);
    check(woken);
  }
}

bool Channel::is_stale() {
  char byte = 0;
  const ssize_t count = ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return !(count < 0 && errno == EAGAIN) || !input_.empty();
}

}  // namespace postrider::ipc
