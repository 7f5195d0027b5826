#include "auth/system_checker.h"

#include <array>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/os/credentials.h"
#include "lib/os/sandbox.h"
#include "lib/os/socket.h"
#include "lib/sasl/password_scheme.h"
#include "lib/tls/digest.h"

namespace postrider::auth {

namespace {

// Question: two bytes length of the name, two of the password, both. Answer: one byte verdict, one
// length of the explanation, the explanation.

bool read_all(int fd, char* into, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::read(fd, into, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    into += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

std::size_t number_at(const std::array<unsigned char, 4>& head, std::size_t at) {
  return static_cast<std::size_t>(head[at]) << 8 | head[at + 1];
}

void append_number(std::string& bytes, std::size_t number) {
  bytes += static_cast<char>(number >> 8);
  bytes += static_cast<char>(number & 0xff);
}

void serve(int fd, const SystemChecker::Check& check) {
  while (true) {
    std::array<unsigned char, 4> head{};
    if (!read_all(fd, static_cast<char*>(static_cast<void*>(head.data())), head.size())) return;
    std::string user(number_at(head, 0), '\0');
    std::string password(number_at(head, 2), '\0');
    if (user.size() > 255 || password.size() > sasl::max_password) return;
    if (!read_all(fd, user.data(), user.size()) || !read_all(fd, password.data(), password.size())) return;
    const SystemVerdict verdict = check(user, password);
    tls::wipe(password);
    std::string answer;
    answer += static_cast<char>(verdict.verdict);
    const std::string explanation = verdict.explanation.substr(0, 200);
    answer += static_cast<char>(explanation.size());
    answer += explanation;
    if (!write_all(fd, answer)) return;
  }
}

[[noreturn]] void run_child(const std::vector<os::Fd>& sockets, const SystemChecker::Check& check) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::prctl(PR_SET_NAME, "auth-system");
  std::signal(SIGTERM, SIG_IGN);  // ends with its parent, not before
  std::vector<std::thread> threads;
  for (const os::Fd& socket : sockets)
    threads.emplace_back([&socket, &check] { serve(socket.get(), check); });
  for (std::thread& thread : threads) thread.join();
  ::_exit(0);
}

}  // namespace

Result<std::unique_ptr<SystemChecker>> SystemChecker::start(
    Check check, std::size_t channels, const std::function<void(std::vector<int>)>& in_child) {
  auto checker = std::unique_ptr<SystemChecker>(new SystemChecker);
  std::vector<os::Fd> theirs;
  std::vector<int> numbers;
  for (std::size_t i = 0; i < channels; ++i) {
    auto pair = os::socket_pair();
    if (!pair) return fail(pair.error());
    for (const os::Fd* end : {&pair->first, &pair->second}) {
      ::fcntl(end->get(), F_SETFL, ::fcntl(end->get(), F_GETFL) & ~O_NONBLOCK);
    }
    checker->free_.push_back(std::move(pair->first));
    numbers.push_back(pair->second.get());
    theirs.push_back(std::move(pair->second));
  }
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork");
  if (pid == 0) {
    checker.reset();
    in_child(numbers);
    run_child(theirs, check);
  }
  return checker;
}

SystemVerdict SystemChecker::ask(std::string_view user, std::string_view password) {
  if (user.size() > 255 || password.size() > sasl::max_password) return {sasl::Verdict::mismatch, ""};
  os::Fd channel;
  {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [this] { return !free_.empty(); });
    channel = std::move(free_.back());
    free_.pop_back();
  }
  std::string question;
  append_number(question, user.size());
  append_number(question, password.size());
  question.append(user).append(password);
  std::array<char, 2> head{};
  std::string explanation;
  bool told = write_all(channel.get(), question) && read_all(channel.get(), head.data(), head.size());
  if (told) {
    explanation.resize(static_cast<unsigned char>(head[1]));
    told = read_all(channel.get(), explanation.data(), explanation.size());
  }
  tls::wipe(question);
  {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(channel));
  }
  freed_.notify_one();
  const auto verdict = static_cast<unsigned char>(head[0]);
  if (!told || verdict > static_cast<unsigned char>(sasl::Verdict::temporary)) {
    return {sasl::Verdict::temporary, "the process that verifies system passwords is gone"};
  }
  return {static_cast<sasl::Verdict>(verdict), explanation};
}

Result<std::optional<sasl::UserEntry>> SystemDatabase::find(const std::string& name) {
  const auto account = os::find_user(name);
  if (!account) return fail(account.error());
  // An account of the system itself is no user of mail, and not worth a password hash to a guesser.
  if (!*account || (*account)->uid < minimum_uid_) return std::nullopt;
  sasl::UserEntry user;
  user.name = (*account)->name;
  user.uid = (*account)->uid;
  user.gid = (*account)->gid;
  user.home = (*account)->home;
  return user;
}

sasl::Verdict SystemDatabase::check(const sasl::UserEntry& user, std::string_view password,
                                    std::string& explanation) {
  const SystemVerdict verdict = checker_->ask(user.name, password);
  explanation = verdict.explanation;
  return verdict.verdict;
}

}  // namespace postrider::auth
