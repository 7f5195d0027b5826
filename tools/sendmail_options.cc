#include "tools/sendmail_options.h"

#include <string_view>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::tools {

namespace {

using Mode = SendmailRequest::Mode;

// As for getopt(3). A colon takes the rest of the word, or the next one.
constexpr std::string_view letters = "A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx";

std::unexpected<Error> usage(std::string text) { return fail(Trouble::permanent, std::move(text)); }

Result<> read_notify(const std::string& value, std::uint8_t& notify) {
  notify = 0;
  for (const std::string_view word : split_any(value, ", ")) {
    if (iequals(word, "never"))
      notify |= queue::notify::never;
    else if (iequals(word, "success"))
      notify |= queue::notify::success;
    else if (iequals(word, "failure"))
      notify |= queue::notify::failure;
    else if (iequals(word, "delay"))
      notify |= queue::notify::delay;
    else
      return usage(fmt::format("bad -N option value -- {}", value));
  }
  if (notify == 0 || ((notify & queue::notify::never) != 0 && notify != queue::notify::never))
    return usage(fmt::format("bad -N option value -- {}", value));
  return {};
}

Result<> read_switch(const std::string& value, SendmailRequest& request) {
  for (const auto& [name, flag] :
       {std::pair{"requiretls", queue::flag::requiretls}, std::pair{"smtputf8", queue::flag::smtputf8}}) {
    const std::string prefix = std::string(name) + "=";
    if (!istarts_with(value, prefix)) continue;
    const std::string_view word = std::string_view(value).substr(prefix.size());
    if (iequals(word, "yes"))
      request.envelope.flags |= flag;
    else if (iequals(word, "no"))
      request.envelope.flags &= ~flag;
    else
      return usage(fmt::format("bad -O option value -- {}", value));
  }
  return {};  // everything else is sendmail's, and ignored
}

Result<> read_mode(const std::string& value, SendmailRequest& request) {
  switch (value.empty() ? '\0' : value.front()) {
    case 'd':
    case 'l': request.mode = Mode::daemon; break;
    case 'h':
    case 'H': break;  // persistent host status: nothing to print or purge
    case 'i': request.mode = Mode::newaliases; break;
    case 'm': request.mode = Mode::enqueue; break;
    case 'p': request.mode = Mode::mailq; break;
    case 's': request.mode = Mode::stdin_smtp; break;
    case 'v':
      request.mode = Mode::enqueue;
      request.envelope.flags |= queue::flag::verify;
      break;
    default: return usage(fmt::format("unsupported: -b{}", value));
  }
  return {};
}

Result<> read_queue(const std::string& value, SendmailRequest& request) {
  const char kind = value.empty() ? '\0' : value.front();
  if (is_digit(kind)) return {};  // an interval: qmgr has its own
  if (kind != 'R' && kind != 'I') return usage(fmt::format("-q{} is not implemented", value));
  if (value.size() == 1) return usage(kind == 'R' ? "specify: -qRsitename" : "specify: -qIqueueid");
  request.mode = kind == 'R' ? Mode::flush_site : Mode::flush_id;
  request.target = value.substr(1);
  return {};
}

Result<> read_option(char letter, const std::string& value, SendmailRequest& request) {
  switch (letter) {
    case 'B':
      if (iequals(value, "8BITMIME"))
        request.envelope.encoding = queue::BodyEncoding::eight_bit_mime;
      else if (iequals(value, "7BIT"))
        request.envelope.encoding = queue::BodyEncoding::seven_bit;
      else
        return usage("specify -B 8BITMIME or -B 7BIT");
      return {};
    case 'C': request.config = value; return {};
    case 'F': request.full_name = value; return {};
    case 'G': request.envelope.rewrite_context = "remote"; return {};
    case 'I': request.mode = Mode::newaliases; return {};
    case 'N': return read_notify(value, request.notify);
    case 'O': return read_switch(value, request);
    case 'R':
      if (iequals(value, "full"))
        request.envelope.dsn_return = queue::DsnReturn::full;
      else if (iequals(value, "hdrs"))
        request.envelope.dsn_return = queue::DsnReturn::headers;
      else
        return usage("specify -R full or -R hdrs");
      return {};
    case 'V':
      if (value.size() > 100) return usage("the envelope id (-V) may have 100 characters");
      request.envelope.envid = value;
      return {};
    case 'X':
      if (value.empty() || value.front() != 'V') return usage(fmt::format("unsupported: -X{}", value));
      if (value.size() == 1)
        request.default_verp = true;
      else if (value.size() == 3)
        request.envelope.verp_delimiters = value.substr(1);
      else
        return usage("specify two VERP delimiters after -XV");
      return {};
    case 'b': return read_mode(value, request);
    case 'f':
    case 'r':
      request.has_sender = true;
      request.sender = value;
      return {};
    case 'i': request.dot_is_data = true; return {};
    case 'n': return usage("-n option not supported");
    case 'o':
      if (value.starts_with('A')) {
        if (value.size() == 1) return usage("-oA requires pathname");
        request.target = value.substr(1);
      } else if (value.starts_with('i')) {
        request.dot_is_data = true;
      }
      return {};
    case 'q': return read_queue(value, request);
    case 't': request.extract = true; return {};
    case 'v':
      ++request.verbose;
      request.envelope.flags |= queue::flag::record;
      return {};
    default: return {};  // accepted, without effect: A L U c e h m p x
  }
}

}  // namespace

Result<SendmailRequest> parse_sendmail(const std::string& program,
                                       const std::vector<std::string>& arguments) {
  SendmailRequest request;
  if (program == "mailq") request.mode = Mode::mailq;
  if (program == "newaliases") request.mode = Mode::newaliases;
  std::size_t next = 0;
  for (; next < arguments.size(); ++next) {
    std::string word = arguments[next];
    if (word.size() < 2 || word.front() != '-') break;
    if (word == "--") {
      ++next;
      break;
    }
    // Not in getopt's language: -q alone, and -V followed by two characters, which was -XV once.
    if (word == "-q") {
      request.mode = Mode::flush;
      continue;
    }
    if ((word.size() == 4 && word.starts_with("-V")) ||
        (word == "-V" && next + 1 < arguments.size() && arguments[next + 1].size() == 2)) {
      request.warnings.emplace_back("option -V is deprecated with Postfix 2.3; specify -XV instead");
      request.envelope.verp_delimiters = word.size() == 4 ? word.substr(2) : arguments[++next];
      continue;
    }
    if (word == "-XV") {
      request.default_verp = true;
      continue;
    }
    for (std::size_t at = 1; at < word.size(); ++at) {
      const char letter = word[at];
      const std::size_t known = letter == ':' ? std::string_view::npos : letters.find(letter);
      if (known == std::string_view::npos) return usage(fmt::format("unknown option -{}", letter));
      const bool takes_value = known + 1 < letters.size() && letters[known + 1] == ':';
      std::string value;
      if (takes_value) {
        value = word.substr(at + 1);
        if (value.empty()) {
          if (next + 1 == arguments.size())
            return usage(fmt::format("option -{} requires an argument", letter));
          value = arguments[++next];
        }
      }
      if (const Result<> read = read_option(letter, value, request); !read) return fail(read.error());
      if (takes_value) break;
    }
  }
  request.recipients.assign(arguments.begin() + static_cast<std::ptrdiff_t>(next), arguments.end());

  if (request.mode != Mode::enqueue && request.extract) return usage("-t can be used only in delivery mode");
  if ((request.mode == Mode::flush || request.mode == Mode::daemon || request.mode == Mode::stdin_smtp) &&
      !request.recipients.empty())
    return usage("stdin/daemon mode requires no recipient");
  if ((request.default_verp || !request.envelope.verp_delimiters.empty()) && !request.has_sender)
    return usage("-XV requires -f sender");
  return request;
}

}  // namespace postrider::tools
