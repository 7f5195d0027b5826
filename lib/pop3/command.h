// POP3 command lines: the verb and its arguments (RFC 1939, 2449, 2595, 5034, 6856).
//
// Used by pop3d's front before login and by the session after it. Lines come from strangers; views point
// into them. What is malformed comes back as the text to put behind "-ERR ".
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::pop3 {

// RFC 2449 4: with CRLF. An AUTH line with its first response may be longer (RFC 5034 4).
inline constexpr std::size_t max_command_line = 255;
inline constexpr std::size_t max_auth_line = 12'288;

enum class Verb : std::uint8_t {
  unknown,
  user,
  pass,
  apop,
  auth,
  stls,
  capa,
  quit,
  stat,
  list,
  retr,
  dele,
  noop,
  rset,
  top,
  uidl,
  utf8,
  lang,
};

struct CommandLine {
  Verb verb = Verb::unknown;
  std::string_view name;       // as sent, for logs through printable()
  std::string_view arguments;  // after one blank, as sent: a password may begin or end with blanks
};

template <class T>
using Parsed = std::expected<T, std::string>;

// `line` is without its line end. Control characters, and bytes that are not UTF-8, are refused.
Parsed<CommandLine> split_command(std::string_view line);
std::string_view verb_name(Verb verb);  // "RETR"; "UNKNOWN"

// RETR, DELE; LIST and UIDL where an argument is given. Numbers begin at 1.
Parsed<std::uint32_t> parse_number_argument(std::string_view arguments);
// LIST, UIDL: no argument is nullopt.
Parsed<std::optional<std::uint32_t>> parse_optional_number(std::string_view arguments);

struct TopArguments {
  std::uint32_t number = 0;
  std::uint32_t lines = 0;
};
Parsed<TopArguments> parse_top(std::string_view arguments);

// USER, PASS: the whole of the rest, at least one byte.
Parsed<std::string> parse_credential(std::string_view arguments);

struct ApopArguments {
  std::string user;
  std::string digest;  // 32 lower-case hexadecimal digits
};
Parsed<ApopArguments> parse_apop(std::string_view arguments);

struct AuthArguments {
  std::string mechanism;               // upper case; "" asks for the list (RFC 1734's old form)
  std::optional<std::string> initial;  // base64 as sent; "=" stands for an empty one
};
Parsed<AuthArguments> parse_auth(std::string_view arguments);

// QUIT, STAT, NOOP and such take nothing.
Parsed<void> parse_nothing(std::string_view arguments);

}  // namespace postrider::pop3
