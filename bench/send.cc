// SMTP clients: those that send, those that only hold a connection, those that only shake hands.
#include <fmt/core.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bench/loop.h"
#include "bench/modes.h"

namespace postrider::bench {

namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

Context client_context() {
  Context context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE);
  return context;
}

// What one run of clients shares.
struct Run {
  explicit Run(const Options& options)
      : loop(static_cast<double>(options.number("seconds", 300))),
        port(static_cast<std::uint16_t>(options.number("port", 25))),
        begun(now()) {}

  Loop loop;
  std::uint16_t port;
  double begun;
  std::uint64_t left = 0;     // not begun yet
  std::uint64_t clients = 0;  // at work
  std::uint64_t done = 0, failed = 0;
  std::string complaint;       // the first one
  std::vector<float> seconds;  // each took

  void fail(const Failure& failure) {
    if (failed++ == 0) complaint = failure.what();
  }
  void report(std::string_view what) {
    std::ranges::sort(seconds);
    const auto at = [&](double part) {
      return seconds.empty()
                 ? 0.F
                 : seconds[static_cast<std::size_t>(part * static_cast<double>(seconds.size() - 1))];
    };
    std::ranges::replace(complaint, '"', '\'');
    fmt::print(
        R"({{"{}": {}, "failed": {}, "seconds": {:.6f}, "p50": {:.6f}, "p99": {:.6f}, "complaint": "{}"}})"
        "\n",
        what, done, failed, now() - begun, at(0.5), at(0.99), complaint);
    std::fflush(stdout);
  }
};

// --- send

struct Letter {
  std::string from, content;
  std::vector<std::string> recipients;
};

Letter letter_from(const Options& options) {
  Letter letter{options.text("from", "load@bench.example"), {}, {}};
  const std::string to = options.text("to");
  for (std::uint64_t i = 0; i < options.number("recipients", 1); ++i) {
    const std::size_t mark = to.find('%');
    letter.recipients.push_back(
        mark == std::string::npos ? to : fmt::format("{}{}{}", to.substr(0, mark), i, to.substr(mark + 1)));
  }
  letter.content = fmt::format(
      "From: <{}>\r\nTo: <{}>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-Id: <load@bench.example>\r\n"
      "Subject: bench\r\n\r\n",
      letter.from, letter.recipients[0]);
  const std::size_t bytes = options.number("bytes", 4096);
  while (letter.content.size() < bytes)
    letter.content += std::string(std::min<std::size_t>(78, bytes - letter.content.size()), 'X') + "\r\n";
  letter.content += ".\r\n";
  return letter;
}

Dialogue send_some(Run& run, const Letter& letter) {
  while (run.left > 0) {
    --run.left;
    const double begun = now();
    try {
      Link link(run.loop);
      co_await link.connect(run.port);
      co_await link.reply("220");
      link.write("HELO bench.example\r\n");
      co_await link.reply("250");
      link.write(fmt::format("MAIL FROM:<{}>\r\n", letter.from));
      co_await link.reply("250");
      for (const std::string& recipient : letter.recipients) {
        link.write(fmt::format("RCPT TO:<{}>\r\n", recipient));
        co_await link.reply("25");
      }
      link.write("DATA\r\n");
      co_await link.reply("354");
      link.write(letter.content);
      co_await link.reply("250");
      ++run.done;
      run.seconds.push_back(static_cast<float>(now() - begun));
      link.write("QUIT\r\n");
      co_await link.reply("221");
    } catch (const Failure& failure) {
      run.fail(failure);
    }
  }
  if (--run.clients == 0) run.loop.stop();
}

// --- hold

struct Holding {
  Run& run;
  SSL_CTX* context;  // null: in plain text
  unsigned addresses;
  std::uint64_t at_once;  // as many as a listener's queue takes; the others wait for these to be settled
  std::uint64_t arriving = 0, open = 0;
};

void let_more_in(Holding& holding);

Dialogue hold_one(Holding& holding, unsigned source) {
  bool settled = false;
  try {
    Link link(holding.run.loop);
    co_await link.connect(holding.run.port, source);
    co_await link.reply("220");
    link.write("EHLO bench.example\r\n");
    co_await link.reply("250");
    if (holding.context != nullptr) {
      link.write("STARTTLS\r\n");
      co_await link.reply("220");
      co_await link.start_tls(holding.context);
      link.write("EHLO bench.example\r\n");
      co_await link.reply("250");
    }
    settled = true;
    --holding.arriving, ++holding.open;
    let_more_in(holding);
    co_await link.closed();
    --holding.open;
  } catch (const Failure& failure) {
    holding.run.fail(failure);
    if (!settled) --holding.arriving, let_more_in(holding);
  }
}

void let_more_in(Holding& holding) {
  while (holding.run.left > 0 && holding.arriving < holding.at_once) {
    ++holding.arriving;
    const auto number = --holding.run.left;
    hold_one(holding, 2 + static_cast<unsigned>(number % holding.addresses));
  }
  if (holding.run.left == 0 && holding.arriving == 0) holding.run.loop.stop();
}

// --- tls

Dialogue shake_some(Run& run, SSL_CTX* context) {
  while (run.left > 0) {
    --run.left;
    const double begun = now();
    try {
      Link link(run.loop);
      co_await link.connect(run.port);
      co_await link.reply("220");
      link.write("EHLO bench.example\r\n");
      co_await link.reply("250");
      link.write("STARTTLS\r\n");
      co_await link.reply("220");
      co_await link.start_tls(context);
      link.write("QUIT\r\n");
      co_await link.reply("221");
      ++run.done;
      run.seconds.push_back(static_cast<float>(now() - begun));
    } catch (const Failure& failure) {
      run.fail(failure);
    }
  }
  if (--run.clients == 0) run.loop.stop();
}

}  // namespace

void send_messages(const Options& options) {
  const Letter letter = letter_from(options);
  Run run(options);
  run.left = options.number("messages", 1000);
  run.clients = options.number("sessions", 20);
  for (std::uint64_t i = run.clients; i > 0; --i) send_some(run, letter);
  run.loop.run();
  run.report("messages");
}

void hold_connections(const Options& options) {
  Run run(options);
  run.left = options.number("connections", 1000);
  const Context context = client_context();
  Holding holding{run, options.number("tls", 0) != 0 ? context.get() : nullptr,
                  static_cast<unsigned>(options.number("addresses", 20)), options.number("at_once", 100)};
  let_more_in(holding);
  run.loop.run();
  run.done = holding.open;
  run.report("open");
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  std::_Exit(0);  // the dialogues that wait are never resumed; the kernel closes what they hold
}

void shake_hands(const Options& options) {
  Run run(options);
  run.left = options.number("handshakes", 1000);
  run.clients = options.number("sessions", 20);
  const Context context = client_context();
  for (std::uint64_t i = run.clients; i > 0; --i) shake_some(run, context.get());
  run.loop.run();
  run.report("handshakes");
}

}  // namespace postrider::bench
