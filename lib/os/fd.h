// Ownership of one file descriptor. Every descriptor in the suite is made by lib/os, close-on-exec
// from birth, and lives in an Fd until it is closed or handed to another process.
#pragma once

#include <utility>

namespace postrider::os {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      number_ = std::exchange(other.number_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return number_; }  // -1 when empty
  explicit operator bool() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void reset();  // closes; an error of close(2) is lost, so fsync first where it matters

  // A second descriptor for the same open file (F_DUPFD_CLOEXEC). Empty when descriptors ran out.
  Fd duplicate() const;

 private:
  int number_ = -1;
};

}  // namespace postrider::os
