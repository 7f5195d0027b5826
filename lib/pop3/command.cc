#include "lib/pop3/command.h"

#include <array>
#include <vector>

#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::pop3 {
namespace {

struct Row {
  std::string_view name;
  Verb verb;
};
constexpr std::array<Row, 17> verbs{{
    {"USER", Verb::user},
    {"PASS", Verb::pass},
    {"APOP", Verb::apop},
    {"AUTH", Verb::auth},
    {"STLS", Verb::stls},
    {"CAPA", Verb::capa},
    {"QUIT", Verb::quit},
    {"STAT", Verb::stat},
    {"LIST", Verb::list},
    {"RETR", Verb::retr},
    {"DELE", Verb::dele},
    {"NOOP", Verb::noop},
    {"RSET", Verb::rset},
    {"TOP", Verb::top},
    {"UIDL", Verb::uidl},
    {"UTF8", Verb::utf8},
    {"LANG", Verb::lang},
}};

constexpr const char* bad_number = "Invalid message number";

std::unexpected<std::string> refuse(const char* text) { return std::unexpected<std::string>(text); }

}  // namespace

std::string_view verb_name(Verb verb) {
  for (const Row& row : verbs)
    if (row.verb == verb) return row.name;
  return "UNKNOWN";
}

Parsed<CommandLine> split_command(std::string_view line) {
  if (!is_plain_utf8(line)) return refuse("Invalid characters in command");
  const std::size_t blank = line.find(' ');
  CommandLine out;
  out.name = line.substr(0, blank);
  if (blank != std::string_view::npos) out.arguments = line.substr(blank + 1);
  for (const Row& row : verbs)
    if (iequals(out.name, row.name)) out.verb = row.verb;
  return out;
}

Parsed<std::uint32_t> parse_number_argument(std::string_view arguments) {
  const auto number = parse_number<std::uint32_t>(trim(arguments));
  if (!number || *number == 0) return refuse(bad_number);
  return *number;
}

Parsed<std::optional<std::uint32_t>> parse_optional_number(std::string_view arguments) {
  if (trim(arguments).empty()) return std::optional<std::uint32_t>{};
  const auto number = parse_number_argument(arguments);
  if (!number) return std::unexpected(number.error());
  return std::optional(*number);
}

Parsed<TopArguments> parse_top(std::string_view arguments) {
  const std::vector<std::string_view> words = split_any(arguments, " ");
  if (words.size() != 2) return refuse("Usage: TOP number lines");
  const auto number = parse_number_argument(words[0]);
  if (!number) return std::unexpected(number.error());
  const auto lines = parse_number<std::uint32_t>(words[1]);
  if (!lines) return refuse("Invalid number of lines");
  return TopArguments{*number, *lines};
}

Parsed<std::string> parse_credential(std::string_view arguments) {
  if (arguments.empty()) return refuse("Missing argument");
  return std::string(arguments);
}

Parsed<ApopArguments> parse_apop(std::string_view arguments) {
  // The name may hold blanks, the digest cannot (RFC 1939 7).
  const std::size_t blank = arguments.rfind(' ');
  if (blank == std::string_view::npos || blank == 0) return refuse("Usage: APOP name digest");
  const std::string_view digest = arguments.substr(blank + 1);
  const auto bytes = hex_decode(digest);
  if (digest.size() != 32 || !bytes) return refuse("Invalid digest");
  return ApopArguments{std::string(arguments.substr(0, blank)), hex_encode(*bytes)};
}

Parsed<AuthArguments> parse_auth(std::string_view arguments) {
  const std::vector<std::string_view> words = split_any(arguments, " ");
  AuthArguments out;
  if (words.empty()) return out;
  bool valid = words.size() <= 2 && words[0].size() <= 20;  // RFC 4422 3.1
  for (const char c : words[0]) valid = valid && (is_alnum(c) || c == '-' || c == '_');
  if (!valid) return refuse("Usage: AUTH mechanism [initial-response]");
  out.mechanism = upper(words[0]);
  if (words.size() == 2) out.initial = words[1] == "=" ? std::string{} : std::string(words[1]);
  return out;
}

Parsed<void> parse_nothing(std::string_view arguments) {
  if (!trim(arguments).empty()) return refuse("Command takes no arguments");
  return {};
}

}  // namespace postrider::pop3
