// POP3 clients that log in, fetch every message and leave.
#include <fmt/core.h>

#include <charconv>
#include <string>
#include <string_view>

#include "bench/loop.h"
#include "bench/modes.h"

namespace postrider::bench {

namespace {

struct Fetch {
  Loop loop;
  std::uint16_t port;
  std::string user, password;
  std::uint64_t left, clients;
  std::uint64_t ahead;  // commands sent before the answer of the one that is waited for; 0: one at a time
  std::uint64_t sessions = 0, messages = 0, bytes = 0, failed = 0;
  std::string complaint;
};

// "+OK 3 1234" (RFC 1939 5, STAT)
std::uint64_t messages_in(std::string_view reply) {
  std::uint64_t count = 0;
  if (reply.size() > 4) std::from_chars(reply.data() + 4, reply.data() + reply.size(), count);
  return count;
}

Dialogue fetch_some(Fetch& fetch, std::uint64_t number) {
  const std::size_t mark = fetch.user.find('%');
  const std::string user = mark == std::string::npos ? fetch.user
                                                     : fmt::format("{}{}{}", fetch.user.substr(0, mark),
                                                                   number, fetch.user.substr(mark + 1));
  while (fetch.left > 0) {
    --fetch.left;
    try {
      Link link(fetch.loop);
      co_await link.connect(fetch.port);
      co_await link.line("+OK");
      link.write(fmt::format("USER {}\r\n", user));
      co_await link.line("+OK");
      link.write(fmt::format("PASS {}\r\n", fetch.password));
      co_await link.line("+OK");
      link.write("STAT\r\n");
      const std::string_view stat = co_await link.line("+OK");
      const std::uint64_t count = messages_in(stat);
      std::uint64_t asked = 0;
      for (std::uint64_t i = 1; i <= count; ++i) {
        // RFC 2449 6.6: a client that pipelines asks again when half of what it asked for has come.
        if (asked < i + fetch.ahead / 2) {
          std::string commands;
          while (asked < count && asked < i + fetch.ahead) commands += fmt::format("RETR {}\r\n", ++asked);
          if (!commands.empty()) link.write(commands);
        }
        co_await link.line("+OK");
        const std::string_view content = co_await link.data_end();
        fetch.bytes += content.size();
        ++fetch.messages;
      }
      link.write("QUIT\r\n");
      co_await link.line("+OK");
      ++fetch.sessions;
    } catch (const Failure& failure) {
      if (fetch.failed++ == 0) fetch.complaint = failure.what();
    }
  }
  if (--fetch.clients == 0) fetch.loop.stop();
}

}  // namespace

void fetch_mail(const Options& options) {
  Fetch fetch{.loop = Loop(static_cast<double>(options.number("seconds", 300))),
              .port = static_cast<std::uint16_t>(options.number("port", 110)),
              .user = options.text("user"),
              .password = options.text("password"),
              .left = options.number("sessions", 10),
              .clients = options.number("clients", 10),
              .ahead = options.number("ahead", 0),
              .complaint = {}};
  const double begun = now();
  const std::uint64_t clients = fetch.clients;
  for (std::uint64_t i = 0; i < clients; ++i) fetch_some(fetch, i);
  fetch.loop.run();
  fmt::print(
      R"({{"sessions": {}, "messages": {}, "bytes": {}, "failed": {}, "seconds": {:.6f}, "complaint": "{}"}})"
      "\n",
      fetch.sessions, fetch.messages, fetch.bytes, fetch.failed, now() - begun, fetch.complaint);
}

}  // namespace postrider::bench
