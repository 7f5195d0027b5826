#include "tools/dropper.h"

#include <poll.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <optional>
#include <thread>

#include "lib/os/files.h"
#include "lib/os/socket.h"
#include "lib/queue/maildrop.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::tools;

namespace {

void wait_readable(const os::Fd& fd) {
  pollfd waiting{fd.get(), POLLIN, 0};
  REQUIRE(::poll(&waiting, 1, 10'000) == 1);
}

// A prdrop that writes down what it gets, and a pickup that does as told.
struct Site {
  os::test::TemporaryDirectory directory;
  std::optional<os::Fd> listener;
  std::jthread pickup;
  std::string heard;  // by pickup; of the thread until it ended

  Site() {
    REQUIRE(os::replace_file(os::system_files(), directory / "prdrop",
                             "#!/bin/sh\ncat > '" + (directory / "dropped") + "'\n", 0700));
  }
  // Greets with `greeting`, reads the stream when there is one, and ends with `answer`.
  void run_pickup(std::string greeting, std::string answer) {
    listener = std::move(*os::listen_unix(directory / "pickup", 0600));
    pickup = std::jthread([this, greeting, answer] {
      os::Files& files = os::system_files();
      wait_readable(*listener);
      const os::Fd client = std::move(*os::accept(*listener));
      REQUIRE(files.write(client.get(), greeting));
      while (greeting == "+" && !heard.ends_with(queue::drop_piece(""))) {
        wait_readable(client);
        char bytes[65536];
        const auto got = files.read(client.get(), bytes);
        REQUIRE(got);
        if (*got == 0) return;
        heard.append(bytes, *got);
      }
      REQUIRE(files.write(client.get(), answer));
    });
  }
  // Submits, and returns Dropper's verdict.
  int submit(const std::string& content) {
    queue::Envelope e;
    e.sender = "ann@example.org";
    e.recipients.emplace_back().address = "bob@example.com";
    auto dropper = Dropper::start({directory / "pickup", directory / "prdrop", directory.path()}, e);
    REQUIRE(dropper);
    CHECK(dropper->put(content));
    const int status = dropper->finish();
    if (pickup.joinable()) pickup.join();
    expected_ = queue::drop_piece(*queue::encode(e));
    for (std::size_t at = 0; at < content.size(); at += queue::max_drop_piece)
      expected_ += queue::drop_piece(std::string_view(content).substr(at, queue::max_drop_piece));
    expected_ += queue::drop_piece("");
    return status;
  }
  const std::string& expected() const { return expected_; }
  std::string dropped() const {
    return os::read_file(os::system_files(), directory / "dropped", 1U << 20).value_or("nothing");
  }

 private:
  std::string expected_;
};

}  // namespace

TEST_CASE("a small submission goes to pickup, and no prdrop is run") {
  Site site;
  site.run_pickup("+", "+");
  CHECK(site.submit("Subject: x\n\nbody\n") == EX_OK);
  CHECK(site.heard == site.expected());
  CHECK(site.dropped() == "nothing");
}

TEST_CASE("whatever pickup says but yes twice, prdrop gets the whole submission") {
  const auto [greeting, answer] =
      GENERATE(table<std::string, std::string>({{"", ""}, {"-", ""}, {"+", ""}, {"+", "-"}}));
  Site site;
  site.run_pickup(greeting, answer);
  CHECK(site.submit("text\n") == EX_OK);
  CHECK(site.dropped() == site.expected());
}

TEST_CASE("without a pickup, and for a large message, prdrop is run") {
  Site site;
  const bool large = GENERATE(false, true);
  if (large) site.listener = std::move(*os::listen_unix(site.directory / "pickup", 0600));
  CHECK(site.submit(std::string(large ? queue::max_direct + 1 : 10, 'x')) == EX_OK);
  CHECK(site.dropped() == site.expected());
}

TEST_CASE("a prdrop that cannot be run is an error of the system") {
  Site site;
  REQUIRE(os::system_files().unlink(site.directory / "prdrop"));
  CHECK(site.submit("text\n") == EX_OSERR);
}
