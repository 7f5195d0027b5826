// Expected failures as values: what every fallible function of the suite returns.
//
// An Error carries the decision its receiver needs (try again later, give up, blame the peer, make
// room, mend the configuration), a sentence for the operator, and errno where the kernel spoke.
// Protocol codes are made from it at the edge. Copyable; owns its text.
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace postrider {

// What the receiver of an error can do about it.
enum class Trouble {
  temporary,      // the same request may succeed later (a lock held, a server down, EIO)
  permanent,      // the same request will fail again (no such user, malformed input of our own)
  peer,           // the other side broke the protocol; close the connection
  no_space,       // disk, inodes or quota exhausted; recovers when room is made (452)
  configuration,  // the administrator must mend a parameter or a file; text names it
  not_found,      // what was asked for does not exist
  access,         // permission refused
};

class Error {
 public:
  Error(Trouble trouble, std::string text, int os_error = 0)
      : trouble_(trouble), os_error_(os_error), text_(std::move(text)) {}

  // From errno: ENOSPC and EDQUOT are no_space, ENOENT not_found, EACCES, EPERM and ELOOP access, all else
  // temporary. The text becomes "<what>: <strerror>".
  static Error from_errno(int os_error, std::string_view what);

  Trouble trouble() const { return trouble_; }
  int os_error() const { return os_error_; }  // 0 when the kernel was not involved
  const std::string& text() const { return text_; }
  bool is(Trouble trouble) const { return trouble_ == trouble; }

  // The same error with "<context>: " in front, for a caller that knows more.
  Error within(std::string_view context) const;

 private:
  Trouble trouble_;
  int os_error_;
  std::string text_;
};

template <class T = void>
using Result = std::expected<T, Error>;

// Shorthand for `return std::unexpected(Error(...))`.
inline std::unexpected<Error> fail(Trouble trouble, std::string text, int os_error = 0) {
  return std::unexpected(Error(trouble, std::move(text), os_error));
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

// Reads the thread's errno, so it must be the first thing after the failing call.
inline std::unexpected<Error> fail_errno(std::string_view what) {
  return std::unexpected(Error::from_errno(errno, what));
}

}  // namespace postrider
