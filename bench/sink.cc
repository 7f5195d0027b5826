// The SMTP server at the other end of a relay: takes everything, keeps nothing.
#include <fmt/core.h>
#include <strings.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "bench/loop.h"
#include "bench/modes.h"

namespace postrider::bench {

namespace {

struct Sink {
  Loop loop;
  std::uint64_t taken = 0, sessions = 0;
};

bool is(std::string_view line, std::string_view verb) {
  return line.size() >= verb.size() && ::strncasecmp(line.data(), verb.data(), verb.size()) == 0;
}

Dialogue serve(Sink& sink, int fd) {
  try {
    Link link(sink.loop, fd, false);
    ++sink.sessions;
    link.write("220 sink.example ESMTP\r\n");
    while (true) {
      const std::string_view line = co_await link.line();
      if (is(line, "EHLO")) {
        link.write("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n");
      } else if (is(line, "DATA")) {
        link.write("354 Go ahead\r\n");
        co_await link.data_end();
        ++sink.taken;
        link.write("250 Taken\r\n");
      } else if (is(line, "QUIT")) {
        link.write("221 Bye\r\n");
        co_return;
      } else {
        link.write("250 Ok\r\n");
      }
    }
  } catch (const Failure&) {
    // A client may leave when it likes.
  }
}

Dialogue accept_all(Sink& sink, std::uint16_t port) {
  Link listener(sink.loop, listen_on(port), true);
  while (true) {
    co_await listener.client();
    serve(sink, listener.take_client());
  }
}

Dialogue until_input_ends(Sink& sink) {
  Link input(sink.loop, STDIN_FILENO, false);
  co_await input.closed();
  sink.loop.stop();
}

}  // namespace

void sink_messages(const Options& options) {
  Sink sink{Loop(static_cast<double>(options.number("seconds", 3600)))};
  accept_all(sink, static_cast<std::uint16_t>(options.number("port", 2525)));
  until_input_ends(sink);
  fmt::print("ready\n");
  std::fflush(stdout);
  sink.loop.run();
  fmt::print(R"({{"messages": {}, "sessions": {}}})"
             "\n",
             sink.taken, sink.sessions);
  std::fflush(stdout);
  std::_Exit(0);  // sessions that are open are not resumed again
}

}  // namespace postrider::bench
