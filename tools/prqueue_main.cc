// prqueue: lists and flushes the queue. Options, output and exit codes of postqueue(1).
#include <cstdio>

#include <fmt/core.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io/stream.h"
#include "lib/ipc/pool.h"
#include "lib/os/socket.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/services.h"
#include "lib/queue/listing.h"
#include "tools/command.h"

using namespace postrider;
using tools::Command;
using Verb = protocol::QueueCommand::Verb;

namespace {

constexpr const char* usage =
    "usage: {0} [-c config_directory] -f | -p | -j | -i queue_id | -s site\n"
    "  -f  try all deferred mail now\n"
    "  -i  try one message now\n"
    "  -s  try the mail for one destination domain now\n"
    "  -p  list the queue as mailq(1) does\n"
    "  -j  list the queue as JSON, one object a line\n"
    "  -v  say more\n";

std::string path_of(const Command& command, const std::string& service) {
  return command.paths().queue_directory() + "/" + protocol::public_service(service);
}

int list(Command& command, bool json) {
  Result<os::Fd> socket = os::connect_unix(path_of(command, command.services().showq_service_name()));
  if (!socket)
    return command.fatal(EX_UNAVAILABLE, "Queue report unavailable - mail system is down (" +
                                             socket.error().text() + "); start it with: postrider start");
  std::uint64_t messages = 0, bytes = 0;
  bool long_ids = false;
  queue::ListingParser parser;
  const auto each = [&](queue::ListedMessage& message) {
    if (json) {
      std::fputs(queue::json_line(message).c_str(), stdout);
      return;
    }
    if (messages == 0) {
      long_ids = message.id.size() > 12 && message.queue != "maildrop";
      std::fputs(queue::mailq_heading(long_ids).c_str(), stdout);
    }
    ++messages;
    bytes += message.size;
    std::fputs(queue::mailq_text(message, long_ids).c_str(), stdout);
  };
  // connect_unix() gives a non-blocking socket; this command has nothing else to do than wait.
  event::Loop loop(command.clock());
  const auto receive = [](event::Loop& l, os::Fd fd, queue::ListingParser& p,
                          const std::function<void(queue::ListedMessage&)>& f) -> event::Task<Result<>> {
    io::Ended::Why why{};
    io::Stream stream(l, std::move(fd));
    try {
      while (true) {
        const std::string_view got = co_await stream.peek(l.after(Seconds{600}));
        const Result<> fed = p.feed(got, f);
        if (!fed) co_return fed;
        stream.consume(got.size());
      }
    } catch (const io::Ended& ended) {
      why = ended.why;
    }
    if (why == io::Ended::Why::timed_out || !p.at_message_end())
      co_return fail(Trouble::temporary, "the queue report ended early");
    co_return Result<>{};
  };
  const Result<> received = loop.run_until_done(receive(loop, std::move(*socket), parser, each));
  if (!received) return command.fatal(EX_TEMPFAIL, received.error().text());
  if (!json) std::fputs(queue::mailq_trailer(messages, bytes).c_str(), stdout);
  return EX_OK;
}

int flush(Command& command, Verb verb, const std::string& item) {
  protocol::QueueCommand request;
  request.verb = verb;
  if (!item.empty()) request.items.push_back(item);
  event::Loop loop(command.clock());
  ipc::Pool pool(loop, path_of(command, command.services().flush_service_name()), 0);
  const Result<protocol::QueueCommandDone> done =
      loop.run_until_done(pool.ask<protocol::QueueCommandDone>(request, loop.after(Seconds{60})));
  if (!done)
    return command.fatal(EX_UNAVAILABLE,
                         "Cannot flush mail queue - mail system is down (" + done.error().text() + ")");
  if (!done->trouble.empty()) return command.fatal(EX_NOPERM, done->trouble);
  if (verb == Verb::flush_id && done->count == 0)
    return command.fatal(EX_UNAVAILABLE, "there is no message " + item + " in the deferred queue");
  return EX_OK;
}

}  // namespace

int main(int argc, char** argv) {
  Command command(argv[0], "prqueue", "postqueue");
  const Result<tools::Options> parsed = tools::parse_options(argc, argv, "c:fi:jps:v");
  if (!parsed) {
    fmt::print(stderr, fmt::runtime(usage), command.program());
    return command.fatal(EX_USAGE, parsed.error().text());
  }
  if (parsed->help) {
    fmt::print(fmt::runtime(usage), command.program());
    return EX_OK;
  }
  std::string directory, value;
  char mode = 0;
  for (const auto& [letter, text] : parsed->options) {
    if (letter == 'c') {
      directory = text;
    } else if (letter != 'v') {
      if (mode != 0) return command.fatal(EX_USAGE, "only one of -f, -p, -j, -i and -s may be given");
      mode = letter;
      value = text;
    }
  }
  if (mode == 0 || !parsed->operands.empty()) {
    fmt::print(stderr, fmt::runtime(usage), command.program());
    return EX_USAGE;
  }
  if (mode == 'i' && !queue::QueueId::parse(value))
    return command.fatal(EX_USAGE, "\"" + value + "\" is no queue id");
  if (!command.open(directory)) return EX_CONFIG;
  switch (mode) {
    case 'p': return list(command, false);
    case 'j': return list(command, true);
    case 'f': return flush(command, Verb::flush, "");
    case 'i': return flush(command, Verb::flush_id, value);
    default: return flush(command, Verb::flush_site, value);
  }
}
