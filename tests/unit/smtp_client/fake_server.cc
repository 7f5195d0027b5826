#include "tests/unit/smtp_client/fake_server.h"

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/event/watch.h"
#include "lib/os/socket.h"

namespace postrider::smtp_client::test {

FakeServer::FakeServer(event::Loop& loop, std::deque<std::string> scripts, std::string ip,
                       std::uint16_t wanted_port)
    : loop_(loop), scripts_(std::move(scripts)), ip_(std::move(ip)), scope_(loop) {
  Result<os::Fd> listener =
      ip_.find('/') == std::string::npos ? os::listen_inet({ip_, wanted_port}) : os::listen_unix(ip_, 0600);
  if (!listener) {
    fmt::print("{}\n", listener.error().text());
    std::abort();
  }
  listener_ = std::move(*listener);
  port_ = os::local_endpoint(listener_)->port;
  scope_.spawn(accept_all());
}

FakeServer::~FakeServer() {
  stop_.stop();
  loop_.run_until_done(scope_.join());
}

std::string FakeServer::nexthop() const { return fmt::format("[{}]:{}", ip_, port_); }

event::Task<> FakeServer::accept_all() {
  event::Watch watch(loop_, listener_.get());
  while (!stop_.stopped()) {
    Result<os::Fd> client = os::accept(listener_);
    if (client && *client) {
      ++connections;
      if (scripts_.empty()) continue;
      std::string script = std::move(scripts_.front());
      scripts_.pop_front();
      scope_.spawn(play(std::move(*client), std::move(script)));
      continue;
    }
    co_await watch.readable(no_deadline, stop_.token());
  }
}

event::Task<> FakeServer::play(os::Fd socket, std::string script) {
  io::Stream stream(loop_, std::move(socket), stop_.token());
  try {
    co_await play_lines(stream, script);
  } catch (const io::Ended&) {
    // The client left.
  }
}

event::Task<> FakeServer::play_lines(io::Stream& stream, const std::string& script) {
  for (const std::string_view line : split(script, '\n')) {
    if (line.starts_with("S: ")) {
      stream.put(line.substr(3));
      stream.put("\r\n");
    } else if (line.starts_with("C: ")) {
      const io::Line got = co_await stream.read_line(4096, no_deadline);
      heard.emplace_back(got.text);
      if (line != "C: *" && got.text != line.substr(3))
        complaints += fmt::format("expected {}, got {}\n", line.substr(3), got.text);
    } else if (line == "DATA") {
      std::string content;
      while (true) {
        const io::Line got = co_await stream.read_line(100'000, no_deadline);
        if (got.text == ".") break;
        content += got.text;
        content += "\r\n";
      }
      contents.push_back(std::move(content));
    } else if (line == "TLS") {
      co_await stream.flush(no_deadline);
      Result<tls::Engine> engine = tls->accept();
      const Result<> done = co_await stream.start_tls(std::move(*engine), keys, no_deadline);
      if (!done) co_return;
    } else if (line == "FLUSH") {
      co_await stream.flush(no_deadline);
    } else if (line == "CLOSE") {
      co_await stream.flush(no_deadline);
      co_return;
    } else if (line == "HANG") {
      co_await stream.flush(no_deadline);
      while (true) {
        const std::string_view bytes = co_await stream.peek(no_deadline);
        stream.consume(bytes.size());
      }
    }
  }
  while (true) {
    const io::Line got = co_await stream.read_line(4096, no_deadline);
    heard.emplace_back(got.text);
  }
}

}  // namespace postrider::smtp_client::test
