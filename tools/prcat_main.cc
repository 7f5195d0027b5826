// prcat: shows a queued message: envelope, header, body. Options of postcat(1).
#include <algorithm>
#include <cstdio>
#include <ctime>

#include <fmt/core.h>
#include <sysexits.h>

#include "lib/os/files.h"
#include "lib/os/process.h"
#include "lib/queue/queue_reader.h"
#include "lib/queue/spill.h"
#include "tools/command.h"

using namespace postrider;
using tools::Command;

namespace {

constexpr const char* usage =
    "usage: {0} [-c config_directory] [-e] [-h] [-b] [-q] [file | queue_id ...]\n"
    "  -e  the envelope      -h  the message header      -b  the message body (all three when none is "
    "given)\n"
    "  -q  the operands are queue ids, which are looked for in every queue (else files of deferred/ or "
    "hold/)\n";

struct Parts {
  bool envelope = false, header = false, body = false;
};

std::string when(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &parts)};
}

void show_envelope(const std::string& name, const queue::Envelope& envelope) {
  fmt::print("*** ENVELOPE RECORDS {} ***\n", name);
  fmt::print("message_size: {}\nmessage_arrival_time: {}\n", envelope.size, when(envelope.arrival));
  const auto show = [](const char* label, const std::string& value) {
    if (!value.empty()) fmt::print("named_attribute: {}={}\n", label, printable(value));
  };
  show("log_client_name", envelope.client.name);
  show("log_client_address", envelope.client.address);
  show("log_client_port", envelope.client.port);
  show("log_helo_name", envelope.client.helo);
  show("log_protocol_name", envelope.client.protocol);
  show("rewrite_context", envelope.rewrite_context);
  show("sasl_method", envelope.sasl_method);
  show("sasl_username", envelope.sasl_username);
  show("envelope_id", envelope.envid);
  show("content_filter", envelope.content_filter);
  fmt::print("sender: {}\n", printable(envelope.sender));
  for (const queue::Recipient& recipient : envelope.recipients) {
    if (!recipient.original.empty() && recipient.original != recipient.address)
      fmt::print("original_recipient: {}\n", printable(recipient.original));
    fmt::print("{}: {}\n", recipient.status == queue::RecipientStatus::todo ? "recipient" : "done_recipient",
               printable(recipient.address));
    if (!recipient.reason.empty())
      fmt::print("last_reason: {} {}\n", recipient.dsn, printable(recipient.reason));
  }
}

int show_content(Command& command, const std::string& name, const queue::Content& content, Parts parts) {
  if (parts.header || parts.body) fmt::print("*** MESSAGE CONTENTS {} ***\n", name);
  constexpr std::uint64_t block_bytes = 64 * 1024;
  bool in_body = false;
  char last = '\n';
  for (std::uint64_t at = 0; at < content.length && (parts.header || parts.body);) {
    const auto want = static_cast<std::size_t>(std::min(block_bytes, content.length - at));
    const Result<std::string> block = content.read(os::system_files(), at, want);
    if (!block) return command.fatal(EX_IOERR, block.error().text());
    at += want;
    for (const char c : *block) {
      const bool header_ends = !in_body && c == '\n' && last == '\n';
      if (in_body ? parts.body
                  : (parts.header && !header_ends) || (header_ends && parts.header && parts.body))
        std::fputc(c, stdout);
      if (header_ends) in_body = true;
      last = c;
    }
  }
  if (parts.envelope) fmt::print("*** HEADER EXTRACTED {} ***\n*** MESSAGE FILE END {} ***\n", name, name);
  return EX_OK;
}

// On a shelf, or still in the journal.
Result<queue::Message> find(Command& command, queue::QueueId id) {
  const queue::Layout layout(command.paths().queue_directory());
  const queue::SpillStore store(os::system_files(), layout);
  if (const std::optional<queue::Shelf> shelf = store.find(id)) {
    Result<queue::SpilledMessage> spilled = store.read(*shelf, id);
    if (!spilled) return std::unexpected(spilled.error());
    return queue::Message{std::move(spilled->envelope), std::move(spilled->content), false};
  }
  queue::QueueReader reader(os::system_files(), layout);
  const Result<std::vector<queue::SegmentName>> segments = reader.segments();
  if (!segments) return std::unexpected(segments.error());
  for (const queue::SegmentName& segment : *segments) {
    Result<queue::SegmentScan> scan = reader.scan(segment);
    while (scan) {
      Result<std::optional<queue::Found>> found = scan->next();
      if (!found || !*found) break;
      if (!(*found)->damaged && (*found)->envelope.id == id) return reader.read((*found)->place);
    }
  }
  return fail(Trouble::not_found, "there is no message " + id.text() + " in the queue");
}

Result<queue::Message> from_file(Command& command, const std::string& path) {
  const queue::SpillStore store(os::system_files(), queue::Layout(command.paths().queue_directory()));
  Result<queue::SpilledMessage> spilled = store.read_path(path);
  if (!spilled) return std::unexpected(spilled.error());
  return queue::Message{std::move(spilled->envelope), std::move(spilled->content), false};
}

}  // namespace

int main(int argc, char** argv) {
  os::open_standard_streams();
  Command command(argv[0], "prcat", "postcat");
  const Result<tools::Options> parsed = tools::parse_options(argc, argv, "bc:defhoqrs:v");
  if (!parsed) {
    fmt::print(stderr, fmt::runtime(usage), command.program());
    return command.fatal(EX_USAGE, parsed.error().text());
  }
  if (parsed->help || parsed->operands.empty()) {
    fmt::print(parsed->help ? stdout : stderr, fmt::runtime(usage), command.program());
    return parsed->help ? EX_OK : EX_USAGE;
  }
  std::string directory;
  Parts parts;
  bool by_id = false;
  for (const auto& [letter, text] : parsed->options) {
    switch (letter) {
      case 'c': directory = text; break;
      case 'e': parts.envelope = true; break;
      case 'h': parts.header = true; break;
      case 'b': parts.body = true; break;
      case 'q': by_id = true; break;
      default: break;  // -d, -f, -o, -r, -s and -v change the form of Postfix's records, which are not ours
    }
  }
  if (!parts.envelope && !parts.header && !parts.body) parts = {true, true, true};
  if (!command.open(directory)) return EX_CONFIG;
  for (const std::string& operand : parsed->operands) {
    const auto id = queue::QueueId::parse(operand);
    if (by_id && !id) return command.fatal(EX_USAGE, "\"" + operand + "\" is no queue id");
    const Result<queue::Message> message = by_id ? find(command, *id) : from_file(command, operand);
    if (!message)
      return command.fatal(message.error().is(Trouble::access) ? EX_NOPERM : EX_NOINPUT,
                           message.error().text());
    if (parts.envelope) show_envelope(operand, message->envelope);
    if (const int status = show_content(command, operand, message->content, parts); status != EX_OK)
      return status;
  }
  return EX_OK;
}
