#include "master/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <sstream>

#include <catch2/catch.hpp>

#include "lib/base/text.h"
#include "tests/unit/master/fake_daemon.h"
#include "tests/unit/os/faulty_files.h"

using namespace postrider;
using namespace postrider::master;
using os::system_files;

namespace {

// A queue directory of the test's own as working directory, with a configuration and a supervisor.
class Site {
 public:
  explicit Site(const std::string& master_cf) {
    REQUIRE(::getcwd(former_, sizeof former_) != nullptr);
    REQUIRE(::chdir(directory_.path().c_str()) == 0);
    for (const char* name : {"private", "public", "etc", "daemons"}) REQUIRE(::mkdir(name, 0700) == 0);
    test::install_fake_daemon(directory_ / "daemons");
    write("main.cf",
          "queue_directory = " + directory_.path() + "\ndaemon_directory = " + directory_ / "daemons" +
              "\ncompatibility_level = 3.6\nstop_timeout = 4s\nimport_environment = ASAN_OPTIONS\n");
    write("master.cf", master_cf);
  }
  ~Site() {
    supervisor_.reset();
    [[maybe_unused]] const int status = ::chdir(former_);
  }

  void write(const std::string& name, const std::string& text) {
    REQUIRE(os::replace_file(system_files(), directory_ / ("etc/" + name), text, 0644));
  }
  Result<std::unique_ptr<Configuration>> load() {
    return Configuration::load(system_files(), directory_ / "etc", system_names());
  }
  void start() {
    auto configuration = load();
    REQUIRE(configuration);
    supervisor_.emplace(Surroundings{.loop = loop_, .log = log_, .files = system_files()}, system_names());
    REQUIRE(supervisor_->start(std::move(*configuration)));
  }

  // Turns the loop until `reached` holds; fails the test after ten seconds.
  void until(const std::function<bool()>& reached) {
    const auto watch = [](event::Loop& loop, const std::function<bool()>& done) -> event::Task<bool> {
      const MonoTime deadline = loop.after(Seconds(10));
      while (!done()) {
        if (loop.now() > deadline) co_return false;
        co_await loop.sleep(Milliseconds(2));
      }
      co_return true;
    };
    const bool in_time = loop_.run_until_done(watch(loop_, reached));
    INFO(log_.text());
    INFO(notes());
    REQUIRE(in_time);
  }
  std::string notes() const {
    return os::read_file(system_files(), directory_ / "notes", 100'000).value_or("");
  }
  std::size_t count_in_notes(const std::string& line) const {
    std::size_t count = 0;
    const std::string text = notes();
    for (const auto one : split(text, '\n')) count += one == line ? 1 : 0;
    return count;
  }

  os::Fd connect(const std::string& path) {
    auto client = os::connect_unix(path);
    REQUIRE(client);
    return std::move(*client);
  }
  // What the daemon answers to a line: "<pid> <service> <type> <options>".
  std::string ask(const os::Fd& client) {
    REQUIRE(::send(client.get(), "x\n", 2, MSG_NOSIGNAL) == 2);
    until([&] {
      pollfd one{client.get(), POLLIN, 0};
      return ::poll(&one, 1, 0) == 1;
    });
    char bytes[512];
    const ssize_t got = ::recv(client.get(), bytes, sizeof bytes, 0);
    REQUIRE(got > 0);
    return std::string(bytes, static_cast<std::size_t>(got - 1));
  }
  static pid_t pid_of(const std::string& answer) {
    return parse_number<pid_t>(answer.substr(0, answer.find(' '))).value_or(-1);
  }

  SystemClock clock_;
  event::Loop loop_{clock_};
  MemoryLog log_;
  os::test::TemporaryDirectory directory_;
  std::optional<Supervisor> supervisor_;
  char former_[4096] = "";
};

}  // namespace

TEST_CASE("a process is started when the first client comes, and serves the next as well") {
  Site site("echo unix n - n - - fake -o a=b -o { c = d e } serve\n");
  site.start();
  CHECK(site.log_.contains("daemon started -- version "));
  CHECK(site.supervisor_->processes() == 0);
  const os::Fd first = site.connect("public/echo");
  const std::string answer = site.ask(first);
  CHECK(answer.ends_with(" echo unix a=b c=d e"));
  const os::Fd second = site.connect("public/echo");
  CHECK(site.ask(second) == answer);
  CHECK(site.supervisor_->processes() == 1);
}

TEST_CASE("a busy service gets more processes up to its limit and then one warning") {
  Site site("echo unix - - n - 2 fake one\n");
  site.start();
  const os::Fd first = site.connect("private/echo");
  const os::Fd second = site.connect("private/echo");
  const std::string one = site.ask(first);
  CHECK(site.pid_of(site.ask(second)) != site.pid_of(one));
  os::Fd third = site.connect("private/echo");
  site.until([&] { return site.log_.contains("has reached its process limit"); });
  CHECK(
      site.log_.contains("warning: service \"echo\" (private/echo) has reached its process limit \"2\": new "
                         "clients may experience noticeable delays\n"));
  CHECK(site.supervisor_->processes() == 2);
}

TEST_CASE("a client that waited at the limit is served when another leaves") {
  Site site("echo unix - - n - 1 fake one\n");
  site.start();
  os::Fd first = site.connect("private/echo");
  const std::string answer = site.ask(first);
  const os::Fd second = site.connect("private/echo");
  first.reset();
  CHECK(site.ask(second) == answer);
}

TEST_CASE("a killed process is replaced for the next client at once") {
  Site site("echo unix - - n - 1 fake one\n");
  site.start();
  const os::Fd first = site.connect("private/echo");
  const pid_t pid = site.pid_of(site.ask(first));
  ::kill(pid, SIGKILL);
  const os::Fd second = site.connect("private/echo");
  CHECK(site.pid_of(site.ask(second)) != pid);
  CHECK(site.log_.contains("warning: process " + site.directory_ / "daemons/fake" + " pid " +
                           std::to_string(pid) + " killed by signal 9\n"));
  CHECK_FALSE(site.log_.contains("throttling"));
}

TEST_CASE("a program that dies at start-up is not started again at once") {
  Site site("echo unix - - n - 1 fake crash\n");
  site.start();
  const os::Fd client = site.connect("private/echo");
  site.until([&] { return site.log_.contains("throttling"); });
  CHECK(site.log_.contains("exit status 7\n"));
  CHECK(site.log_.contains("fake: bad command startup -- throttling for 1 seconds\n"));
  CHECK(site.count_in_notes("started echo") == 1);
  site.until([&] { return site.log_.contains("throttling for 2 seconds"); });
  CHECK(site.count_in_notes("started echo") == 2);
}

TEST_CASE("a program that does not exist is reported and paused") {
  Site site("echo unix - - n - 1 nosuch\n");
  site.start();
  const os::Fd client = site.connect("private/echo");
  site.until([&] { return site.log_.contains("throttling"); });
  CHECK(site.log_.contains("nosuch: No such file or directory -- throttling for 1 seconds"));
}

TEST_CASE("a reload replaces processes and loses neither a connection nor one that waits") {
  Site site("echo unix - - n - 1 fake one\n");
  site.start();
  os::Fd served = site.connect("private/echo");
  const std::string before = site.ask(served);
  const os::Fd waiting = site.connect("private/echo");
  struct stat socket_before{};
  REQUIRE(::stat("private/echo", &socket_before) == 0);

  site.write("master.cf", "echo unix - - n - 2 fake -o new=yes one\n");
  site.supervisor_->reload();
  CHECK(site.log_.contains("reload -- version "));
  const std::string after = site.ask(waiting);  // by a new process: the old one takes nobody any more
  CHECK(after.ends_with("new=yes"));
  CHECK(site.ask(served) == before);  // the old process still has its client
  struct stat socket_after{};
  REQUIRE(::stat("private/echo", &socket_after) == 0);
  CHECK(socket_after.st_ino == socket_before.st_ino);
  served.reset();
  site.until([&] { return site.supervisor_->processes() == 1; });
  CHECK(site.count_in_notes("drained echo") == 1);
}

TEST_CASE("a reload opens new services and closes those that are gone") {
  Site site("old unix - - n - - fake\nkeep unix n - n - - fake\n");
  site.start();
  const os::Fd client = site.connect("private/old");
  site.ask(client);
  site.write("master.cf", "keep unix n - n - - fake\nnew unix n - n - - fake\n");
  site.supervisor_->reload();
  CHECK_FALSE(os::connect_unix("private/old"));
  CHECK(::access("private/old", F_OK) != 0);
  CHECK(site.ask(site.connect("public/new")).find(" new unix") != std::string::npos);
  CHECK(site.ask(site.connect("public/keep")).find(" keep unix") != std::string::npos);
  CHECK(site.ask(client).find(" old unix") != std::string::npos);  // finishes what it has
}

TEST_CASE("a configuration that cannot be used is refused at reload and the former stays") {
  Site site("echo unix n - n - - fake\n");
  site.start();
  site.write("master.cf", "echo unix n - n - - fake\nsmtp/smtp inet n - n - - fake\n");
  site.supervisor_->reload();
  CHECK(site.log_.contains("reload refused: the former configuration stays in force"));
  CHECK(site.log_.contains("etc/master.cf: line 2: service \"smtp/smtp\": unknown port"));
  site.write("main.cf", "inet_protocols = ipv5\n");
  site.supervisor_->reload();
  CHECK(site.log_.contains("bad value for parameter inet_protocols: \"ipv5\""));
  CHECK_FALSE(site.ask(site.connect("public/echo")).empty());
}

TEST_CASE("a port moves from one service to another without losing who waits there") {
  auto holder = os::listen_inet({"127.0.0.1", 0});
  const os::Endpoint where = *os::local_endpoint(*holder);
  const std::string port = std::to_string(where.port);
  holder->reset();
  Site site("127.0.0.1:" + port + " inet n - n - 1 fake one\n");
  site.start();
  const auto connect = [&] {
    auto client = os::start_connect_inet(where);
    REQUIRE(client);
    site.until([&] {
      pollfd one{client->get(), POLLOUT, 0};
      return ::poll(&one, 1, 0) == 1;
    });
    CHECK(os::connect_result(*client));
    return std::move(*client);
  };
  const os::Fd served = connect();
  CHECK(site.ask(served).find(" inet stress=") != std::string::npos);
  const os::Fd waiting = connect();
  site.write("master.cf", "[127.0.0.1]:" + port + " inet n - n - 1 fake -o moved=yes one\n");
  site.supervisor_->reload();
  CHECK(site.ask(waiting).ends_with("moved=yes"));
  CHECK_FALSE(site.ask(served).ends_with("moved=yes"));
}

TEST_CASE("services are woken at start and then periodically, one with ? only after its first use") {
  Site site(
      "fifo fifo n - n 1 1 fake trigger\n"
      "sock unix n - n 1 1 fake trigger\n"
      "later unix n - n 1? 1 fake trigger\n");
  site.start();
  site.until([&] { return site.count_in_notes("woken by W") >= 4; });
  CHECK(site.count_in_notes("started fifo") >= 1);
  CHECK(site.count_in_notes("started sock") >= 1);
  CHECK(site.count_in_notes("started later") == 0);
  {
    const os::Fd client = site.connect("public/later");
    REQUIRE(::send(client.get(), "A", 1, MSG_NOSIGNAL) == 1);
    site.until([&] { return site.count_in_notes("woken by A") == 1; });
  }
  site.until([&] { return site.count_in_notes("started later") >= 3; });
}

TEST_CASE("a wake-up that a finishing process took is repeated for the next one") {
  Site site("sock unix n - n 600 1 fake late\n");
  site.start();
  site.until([&] { return site.count_in_notes("started sock") == 1; });
  site.supervisor_->reload();
  site.until([&] { return site.count_in_notes("started sock") == 2; });
  CHECK(site.count_in_notes("drained sock") == 1);
}

TEST_CASE("stopping lets processes finish and kills those that will not") {
  Site site("good unix n - n - - fake\nmute unix n - n - - fake mute\n");
  site.write("main.cf",
             *os::read_file(system_files(), site.directory_ / "etc/main.cf", 10'000) + "stop_timeout = 1s\n");
  site.start();
  os::Fd good = site.connect("public/good");
  site.ask(good);
  const pid_t mute = site.pid_of(site.ask(site.connect("public/mute")));
  good.reset();
  site.supervisor_->stop(SIGTERM);
  site.loop_.run();
  CHECK(site.supervisor_->processes() == 0);
  CHECK(::kill(mute, 0) < 0);
  CHECK(site.log_.contains("terminating on signal 15\n"));
  CHECK(site.log_.contains("killing 1 processes that have not ended\n"));
  CHECK(site.count_in_notes("drained good") == 1);
}

TEST_CASE("the children of a master that was killed notice and end, and the next master serves") {
  Site site("echo unix n - n - - fake\n");
  const pid_t first = ::fork();
  if (first == 0) {
    // A master of its own, in this process, until it is killed.
    SystemClock clock;
    event::Loop loop(clock);
    MemoryLog log;
    Supervisor supervisor({.loop = loop, .log = log, .files = system_files()}, system_names());
    auto configuration = site.load();
    if (!configuration || !supervisor.start(std::move(*configuration))) ::_exit(1);
    loop.run();
    ::_exit(0);
  }
  site.until([&] { return os::connect_unix("public/echo").has_value(); });
  const os::Fd client = site.connect("public/echo");
  const pid_t child = site.pid_of(site.ask(client));
  REQUIRE(child > 0);
  ::kill(first, SIGKILL);
  REQUIRE(os::wait_for(first)->signal == SIGKILL);
  site.until([&] { return site.count_in_notes("orphaned echo") == 1; });
  site.start();
  CHECK(site.pid_of(site.ask(site.connect("public/echo"))) != child);
}

TEST_CASE("network daemons find the services they may use in their root, and no others") {
  Site site("rewrite unix - - n - - fake\ncleanup unix n - n - - fake\nlocal unix - - n - - fake\n");
  site.start();
  CHECK(site.ask(site.connect("net/private/rewrite")).find(" rewrite ") != std::string::npos);
  CHECK(site.ask(site.connect("net/public/cleanup")).find(" cleanup ") != std::string::npos);
  CHECK(::access("net/private/local", F_OK) != 0);
  struct stat status{};
  REQUIRE(::stat("net/private", &status) == 0);
  CHECK((status.st_mode & 07777) == 0755);
  site.write("master.cf", "cleanup unix n - n - - fake\n");
  site.supervisor_->reload();
  CHECK(::access("net/private/rewrite", F_OK) != 0);
  CHECK(::access("net/public/cleanup", F_OK) == 0);
}

TEST_CASE("programs of Postfix are replaced by ours or left out, unless they exist") {
  Site site(
      "rewrite unix - - n - - trivial-rewrite\n"
      "tlsmgr unix - - n 1000? 1 tlsmgr\n"
      "lmtp unix - - n - - lmtp -o a=b\n");
  auto configuration = site.load();
  REQUIRE(configuration);
  REQUIRE((*configuration)->services().size() == 2);
  CHECK((*configuration)->services()[0].service.command == "rewrite");
  CHECK((*configuration)->services()[1].service.command == "smtp");
  REQUIRE((*configuration)->warnings().size() == 1);
  CHECK((*configuration)->warnings()[0] ==
        "service tlsmgr left out: other processes do the work of tlsmgr here");
  REQUIRE(os::replace_file(system_files(), site.directory_ / "daemons/tlsmgr", "", 0755));
  CHECK((*site.load())->services().size() == 3);
}

TEST_CASE("disabled services are left out, and one port for two services is a mistake") {
  Site site("smtp inet n - n - - fake\nsubmission inet n - n - - fake\nx unix - - n - - fake\n");
  const std::string main_cf = *os::read_file(system_files(), site.directory_ / "etc/main.cf", 10'000);
  site.write("main.cf", main_cf + "master_service_disable = smtp/inet\n");
  CHECK((*site.load())->services().size() == 2);
  site.write("main.cf", main_cf + "master_service_disable = inet\n");
  CHECK((*site.load())->services().size() == 1);
  site.write("main.cf", main_cf);
  site.write("master.cf", "smtp inet n - n - - fake\n25 inet n - n - - fake\n");
  const auto twice = site.load();
  REQUIRE_FALSE(twice);
  CHECK(twice.error().text().find("line 2: service \"25\" listens on 0.0.0.0:25 like \"smtp\" in line 1") !=
        std::string::npos);
}
