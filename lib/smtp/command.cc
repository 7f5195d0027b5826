#include "lib/smtp/command.h"

#include <array>
#include <utility>

#include <fmt/core.h>

#include "lib/address/domain.h"
#include "lib/address/path.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::smtp {
namespace {

struct Row {
  std::string_view name;
  Verb verb;
};
constexpr std::array<Row, 18> verbs{{
    {"HELO", Verb::helo},
    {"EHLO", Verb::ehlo},
    {"LHLO", Verb::lhlo},
    {"MAIL", Verb::mail},
    {"RCPT", Verb::rcpt},
    {"DATA", Verb::data},
    {"BDAT", Verb::bdat},
    {"RSET", Verb::rset},
    {"NOOP", Verb::noop},
    {"QUIT", Verb::quit},
    {"VRFY", Verb::vrfy},
    {"EXPN", Verb::expn},
    {"ETRN", Verb::etrn},
    {"HELP", Verb::help},
    {"STARTTLS", Verb::starttls},
    {"AUTH", Verb::auth},
    {"XCLIENT", Verb::xclient},
    {"XFORWARD", Verb::xforward},
}};

std::unexpected<Reply> refuse(int code, std::string_view text) { return std::unexpected(Reply(code, text)); }

std::string_view take_word(std::string_view& text) {
  text = trim(text);
  std::size_t size = 0;
  while (size < text.size() && !is_space(text[size])) ++size;
  const std::string_view word = text.substr(0, size);
  text.remove_prefix(size);
  text = trim(text);
  return word;
}

}  // namespace

std::string_view verb_name(Verb verb) {
  for (const Row& row : verbs)
    if (row.verb == verb) return row.name;
  return "UNKNOWN";
}

Parsed<CommandLine> split_command(std::string_view line) {
  for (const char c : line)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
      return refuse(500, "5.5.2 Error: bad syntax");
  if (!is_utf8(line)) return refuse(500, "5.5.2 Error: bad UTF-8 syntax");
  CommandLine out;
  out.arguments = line;
  out.name = take_word(out.arguments);
  for (const Row& row : verbs)
    if (iequals(out.name, row.name)) out.verb = row.verb;
  return out;
}

Parsed<std::string> parse_helo(Verb verb, std::string_view arguments) {
  if (arguments.empty() || arguments.size() > address::max_domain)
    return refuse(501, fmt::format("Syntax: {} hostname", verb_name(verb)));
  std::string name(arguments);
  for (char& c : name)
    if (std::string_view(" \t<>()\\\";@").find(c) != std::string_view::npos) c = '?';
  return printable(name);
}

Parsed<BdatArguments> parse_bdat(std::string_view arguments) {
  const std::string_view count = take_word(arguments);
  const auto size = parse_number<std::uint64_t>(count);
  const bool last = iequals(arguments, "LAST");
  // Above 2^63 no file could hold it, and sums of sizes must not wrap.
  if (!size || *size > INT64_MAX || !(last || arguments.empty()))
    return refuse(501, "5.5.4 Syntax: BDAT count [LAST]");
  return BdatArguments{*size, last};
}

Parsed<AuthArguments> parse_auth(std::string_view arguments) {
  const std::string_view mechanism = take_word(arguments);
  bool valid = !mechanism.empty() && mechanism.size() <= 20;  // RFC 4422 3.1
  for (const char c : mechanism) valid = valid && (is_alnum(c) || c == '-' || c == '_');
  if (!valid || arguments.find_first_of(" \t") != std::string_view::npos)
    return refuse(501, "5.5.4 Syntax: AUTH mechanism");
  AuthArguments out;
  out.mechanism = upper(mechanism);
  if (arguments == "=")
    out.initial.emplace();
  else if (!arguments.empty())
    out.initial.emplace(arguments);
  return out;
}

Parsed<VerifyArguments> parse_vrfy(Verb verb, std::string_view arguments, const EnvelopeRules& rules) {
  const auto syntax = [&] {
    return refuse(
        501, fmt::format("5.5.4 Syntax: {} address{}", verb_name(verb), rules.smtputf8 ? " [SMTPUTF8]" : ""));
  };
  if (arguments.empty()) return syntax();
  VerifyArguments out;
  auto path = address::parse_path(arguments, {.utf8 = rules.utf8});
  if (!path) return refuse(501, "5.1.3 Bad recipient address syntax");
  const std::string_view rest = trim(arguments.substr(path->size));
  out.smtputf8 = rules.smtputf8 && iequals(rest, "SMTPUTF8");
  if (!rest.empty() && !out.smtputf8) return syntax();
  out.who = std::move(path->address);
  return out;
}

Parsed<std::string> parse_etrn(std::string_view arguments) {
  const std::string_view name = take_word(arguments);
  if (name.empty() || !arguments.empty()) return refuse(500, "Syntax: ETRN domain");
  std::string_view host = name;
  if (host.front() == '@' || host.front() == '#') host.remove_prefix(1);
  if (!address::valid_hostname(host) && !address::valid_literal(host))
    return refuse(501, "Error: invalid parameter syntax");
  return std::string(host);
}

Parsed<void> parse_bare(Verb verb, std::string_view arguments) {
  if (!arguments.empty()) return refuse(501, fmt::format("5.5.4 Syntax: {}", verb_name(verb)));
  return {};
}

}  // namespace postrider::smtp
