// prqueue: lists and flushes the queue. Options, output and exit codes of postqueue(1).
#include <cstdio>

#include <fmt/core.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/io/stream.h"
#include "lib/ipc/pool.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/protocol/qmgr.h"
#include "lib/protocol/services.h"
#include "lib/queue/admin.h"
#include "lib/queue/listing.h"
#include "lib/queue/maildrop.h"
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

// Messages as they come, in one of two formats.
class Printer {
 public:
  explicit Printer(bool json) : json_(json) {}
  void print(const queue::ListedMessage& message) {
    if (json_) {
      std::fputs(queue::json_line(message).c_str(), stdout);
      return;
    }
    if (messages_ == 0) {
      long_ids_ = message.id.size() > 12 && message.queue != "maildrop";
      std::fputs(queue::mailq_heading(long_ids_).c_str(), stdout);
    }
    ++messages_;
    bytes_ += message.size;
    std::fputs(queue::mailq_text(message, long_ids_).c_str(), stdout);
  }
  void end() const {
    if (!json_) std::fputs(queue::mailq_trailer(messages_, bytes_).c_str(), stdout);
  }

 private:
  bool json_;
  bool long_ids_ = false;
  std::uint64_t messages_ = 0, bytes_ = 0;
};

bool may_read_queue(const Command& command) {
  return ::geteuid() == 0 ||
         ::access((command.paths().queue_directory() + "/incoming").c_str(), R_OK | X_OK) == 0;
}

// What showq says.
Result<> print_listing(Command& command, os::Fd socket, Printer& printer) {
  // connect_unix() gives a non-blocking socket; this command has nothing else to do than wait.
  event::Loop loop(command.clock());
  const auto receive = [](event::Loop& l, os::Fd fd, Printer& out) -> event::Task<Result<>> {
    io::Ended::Why why{};
    io::Stream stream(l, std::move(fd));
    queue::ListingParser parser;
    try {
      while (true) {
        const std::string_view got = co_await stream.peek(l.after(Seconds{600}));
        const Result<> fed = parser.feed(got, [&](queue::ListedMessage& message) { out.print(message); });
        if (!fed) co_return fed;
        stream.consume(got.size());
      }
    } catch (const io::Ended& ended) {
      why = ended.why;
    }
    if (why == io::Ended::Why::timed_out || !parser.at_message_end())
      co_return fail(Trouble::temporary, "the queue report ended early");
    co_return Result<>{};
  };
  return loop.run_until_done(receive(loop, std::move(socket), printer));
}

// What the files say, when nobody can be asked.
Result<> print_files(Command& command, Printer& printer) {
  const queue::Layout layout(command.paths().queue_directory());
  os::Files& files = os::system_files();
  queue::QueueAdmin admin(files, command.clock(), command.log(), layout);
  const auto each = [&](const queue::Listed& message) {
    printer.print(queue::listed(message.queue_name, message.envelope));
    return true;
  };
  const Result<os::FileStatus> owner = files.stat(layout.incoming());
  if (!owner) return std::unexpected(owner.error());
  Result<> done = admin.list_incoming(each);
  if (done)
    done = files.list(layout.maildrop(), [&](std::string_view name) {
      if (!queue::is_maildrop_name(name)) return true;
      const auto message = queue::listed_submission(files, layout, name, owner->uid);
      if (message) printer.print(*message);
      return true;
    });
  if (done) done = admin.list(queue::Shelf::deferred, each);
  if (done) done = admin.list(queue::Shelf::hold, each);
  return done;
}

int list(Command& command, bool json) {
  Printer printer(json);
  Result<> printed;
  Result<os::Fd> socket = os::connect_unix(path_of(command, command.services().showq_service_name()));
  if (socket) {
    const std::string qmgr = command.paths().queue_directory() + "/" + std::string(protocol::qmgr_intake);
    if (may_read_queue(command) && !os::connect_unix(qmgr))
      command.warning("the queue manager is not running: new mail waits for it");
    printed = print_listing(command, std::move(*socket), printer);
  } else if (socket.error().is(Trouble::access)) {
    return command.fatal(EX_SOFTWARE, socket.error().text());
  } else if (may_read_queue(command)) {
    command.warning("Mail system is down -- accessing queue directly (" + socket.error().text() + ")");
    printed = print_files(command, printer);
  } else {
    return command.fatal(EX_UNAVAILABLE, "Queue report unavailable - mail system is down (" +
                                             socket.error().text() + "); start it with: postrider start");
  }
  if (!printed) return command.fatal(EX_TEMPFAIL, printed.error().text());
  printer.end();
  return EX_OK;
}

int flush(Command& command, Verb verb, const std::string& item) {
  protocol::QueueCommand request;
  request.verb = verb;
  if (!item.empty()) request.items.push_back(item);
  const std::string service = path_of(command, command.services().flush_service_name());
  // The pool would wait for a service that is being replaced; nobody replaces one of a system that is down.
  if (const Result<os::Fd> there = os::connect_unix(service); !there)
    return command.fatal(EX_UNAVAILABLE,
                         "Cannot flush mail queue - mail system is down (" + there.error().text() + ")");
  event::Loop loop(command.clock());
  ipc::Pool pool(loop, service, 0);
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
  os::open_standard_streams();
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
