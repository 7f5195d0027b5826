#include "lib/daemon/daemon.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <string>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/event/scope.h"
#include "lib/io/stream.h"
#include "lib/ipc/caller.h"
#include "lib/os/socket.h"
#include "lib/protocol/cleanup.h"
#include "lib/protocol/master.h"

using namespace postrider;
using namespace std::chrono_literals;

namespace {

std::string make_directory() {
  char path[] = "/tmp/postrider-daemon-XXXXXX";
  if (!mkdtemp(path)) std::abort();
  return path;
}

void write_file(const std::string& path, const std::string& text) {
  const os::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (::write(fd.get(), text.data(), text.size()) < 0) std::abort();
}

std::string read_file(const std::string& path) {
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(65536, '\0');
  const ssize_t got = ::read(fd.get(), text.data(), text.size());
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

// A daemon in a child process, with the descriptors master would give it: link 3, listener 4.
struct Child {
  std::string directory = make_directory();
  os::Fd link;
  os::Fd listener;
  pid_t pid = 0;

  void start(const std::vector<std::string>& options, const std::function<int(int, char**)>& main) {
    write_file(directory + "/main.cf",
               "queue_directory = " + directory + "\nmaillog_file = " + directory + "/log\n");
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) std::abort();
    link = os::Fd(pair[0]);
    const os::Fd child_link(pair[1]);
    listener = os::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
    if (::listen(listener.get(), 10) != 0) std::abort();
    pid = ::fork();
    if (pid != 0) return;
    const int link_copy = ::fcntl(child_link.get(), F_DUPFD, 20);
    const int listener_copy = ::fcntl(listener.get(), F_DUPFD, 20);
    ::dup2(link_copy, 3);
    ::dup2(listener_copy, 4);
    std::vector<std::string> arguments = {"echo", "-n", "echo", "-t", "unix", "-l", "1", "-c", directory};
    arguments.insert(arguments.end(), options.begin(), options.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    ::_exit(main(static_cast<int>(argv.size()), argv.data()));
  }

  int connect() const {
    const int client = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (directory + "/socket").copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
    return client;
  }

  int wait() const {
    int status = 0;
    if (::waitpid(pid, &status, 0) != pid) std::abort();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
};

int echo_main(int argc, char** argv) {
  daemon::Daemon daemon(argc, argv,
                        {.name = "echo", .run_as = daemon::RunAs::root, .allowed = {}, .help = "echoes"});
  if (!daemon.start({})) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  const auto session = [](daemon::Daemon& d, os::Fd fd) -> event::Task<> {
    io::Stream stream(d.loop(), std::move(fd), d.stop_token());
    while (true) {
      const io::Line line = co_await stream.read_line(100, d.loop().after(60s));
      d.log().info("got {}", line.text);
      stream.put(line.text);
      stream.put("\n");
    }
  };
  return daemon.serve_streams([&](os::Fd fd) { return session(daemon, std::move(fd)); }, 2);
}

// Answers ReserveIds with as many ids; what asks for one waits for the drain.
int ids_main(int argc, char** argv) {
  daemon::Daemon daemon(argc, argv,
                        {.name = "ids", .run_as = daemon::RunAs::root, .allowed = {}, .help = "answers"});
  if (!daemon.start({})) return daemon.exit_status();
  const auto answer = [&daemon](ipc::Call call, ipc::Frame frame) -> event::Task<> {
    const auto question = frame.as<protocol::ReserveIds>();
    if (!question) throw io::Ended{io::Ended::Why::lost, "unexpected"};
    if (question->count == 1) {
      event::Wait drain(daemon.loop(), no_deadline, daemon.drain_token());
      co_await drain;
    }
    protocol::ReservedIds ids;
    ids.ids.assign(question->count, "x");
    call.answer(ids);
  };
  return daemon.serve_calls(answer);
}

std::string ask(int fd, const std::string& line) {
  if (::write(fd, line.data(), line.size()) < 0) std::abort();
  char answer[100];
  const ssize_t got = ::read(fd, answer, sizeof answer);
  return std::string(answer, got > 0 ? static_cast<std::size_t>(got) : 0);
}

}  // namespace

TEST_CASE("a daemon serves clients, finishes them when drained, then ends") {
  Child child;
  child.start({}, echo_main);
  const os::Fd client(child.connect());
  CHECK(ask(client.get(), "hello\n") == "hello\n");
  {
    ManualClock clock;
    event::Loop loop(clock);
    ipc::Channel link(loop, child.link.duplicate());
    loop.run_until_done(link.send(protocol::Drain{}, loop.after(1s)));
  }
  CHECK(ask(client.get(), "still here\n") == "still here\n");
  const os::Fd gone = std::move(const_cast<os::Fd&>(client));
  ::shutdown(gone.get(), SHUT_RDWR);
  CHECK(child.wait() == 0);
  CHECK(read_file(child.directory + "/log")
            .find(" postfix/echo[" + std::to_string(child.pid) + "]: got hello\n") != std::string::npos);
}

TEST_CASE("a daemon tells master when it can take no more clients, and when it can again") {
  Child child;
  child.start({}, echo_main);
  ManualClock clock;
  event::Loop loop(clock);
  os::Fd copy = child.link.duplicate();
  ::fcntl(copy.get(), F_SETFL, O_NONBLOCK);
  ipc::Channel link(loop, std::move(copy));
  // The first report says that it serves.
  CHECK(loop.run_until_done(link.expect<protocol::ChildStatus>(no_deadline)).available);
  const int one = child.connect();
  const int two = child.connect();
  CHECK_FALSE(loop.run_until_done(link.expect<protocol::ChildStatus>(no_deadline)).available);
  ::close(one);
  CHECK(loop.run_until_done(link.expect<protocol::ChildStatus>(no_deadline)).available);
  ::close(two);
  child.link.reset();
  ::shutdown(link.socket().get(), SHUT_RDWR);
  CHECK(child.wait() == 0);
}

TEST_CASE("a full daemon serves those who wait at each of its sockets when clients leave") {
  Child child;
  const auto main = [&](int argc, char** argv) {
    const os::Fd second = std::move(*os::listen_unix(child.directory + "/second", 0600));
    ::dup2(second.get(), 5);
    return echo_main(argc, argv);
  };
  child.start({"-l", "2"}, main);
  std::vector<os::Fd> first;
  for (int i = 0; i < 2; ++i) first.emplace_back(child.connect());
  for (const os::Fd& client : first) CHECK(ask(client.get(), "x\n") == "x\n");
  const os::Fd waiting(child.connect());
  const os::Fd elsewhere = std::move(*os::connect_unix(child.directory + "/second"));
  ::fcntl(elsewhere.get(), F_SETFL, 0);
  first.clear();
  CHECK(ask(waiting.get(), "y\n") == "y\n");
  CHECK(ask(elsewhere.get(), "z\n") == "z\n");
  child.link.reset();
  CHECK(child.wait() == 0);
}

TEST_CASE("a daemon whose master is gone ends though a client is connected") {
  Child child;
  child.start({}, echo_main);
  const int client = child.connect();
  CHECK(ask(client, "x\n") == "x\n");
  child.link.reset();
  CHECK(child.wait() == 0);
  ::close(client);
}

TEST_CASE("a bad parameter is named with its place, and nothing starts") {
  Child child;
  child.start({"-o", "max_idle=soon"}, echo_main);
  CHECK(child.wait() == 1);
}

TEST_CASE("calls are answered as they are done, and a daemon that drains answers what it was asked") {
  Child child;
  child.start({}, ids_main);
  SystemClock clock;
  event::Loop loop(clock);
  os::Fd socket(child.connect());
  REQUIRE(::fcntl(socket.get(), F_SETFL, O_NONBLOCK) == 0);
  ipc::Caller caller(loop, std::move(socket), {});
  std::vector<std::size_t> answers;
  const auto ask_for = [&](std::uint32_t count) -> event::Task<> {
    const auto ids =
        co_await caller.call<protocol::ReservedIds>(protocol::ReserveIds{count}, loop.after(30s));
    answers.push_back(ids.ids.size());
  };
  event::TaskScope tasks(loop);
  tasks.spawn(ask_for(1));
  tasks.spawn(ask_for(2));
  while (answers.empty()) loop.run_until_done(loop.sleep(1ms));
  CHECK(answers == std::vector<std::size_t>{2});
  CHECK(caller.open());
  ipc::Channel link(loop, child.link.duplicate());
  loop.run_until_done(link.send(protocol::Drain{}, loop.after(1s)));
  loop.run_until_done(tasks.join());
  CHECK(answers == std::vector<std::size_t>{2, 1});
  CHECK_FALSE(caller.open());  // the next one would be asked on a new connection
  CHECK(child.wait() == 0);
}
