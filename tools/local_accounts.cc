#include "tools/local_accounts.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/text.h"

namespace postrider::tools {

namespace {

constexpr int not_found = 2;  // getent's exit status

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

int next(std::FILE* file, passwd* entry, std::span<char> buffer, passwd** found) {
  return ::fgetpwent_r(file, entry, buffer.data(), buffer.size(), found);
}
int next(std::FILE* file, group* entry, std::span<char> buffer, group** found) {
  return ::fgetgrent_r(file, entry, buffer.data(), buffer.size(), found);
}

template <class Entry, class Match>
int search(std::FILE* file, Match match, Entry* entry, std::span<char> buffer, Entry** found) {
  while (true) {
    *found = nullptr;
    const int status = next(file, entry, buffer, found);
    if (status == ENOENT) return 0;  // the end
    if (status != 0) return status;
    if (match(*entry)) return 0;
  }
}

// A running getent(1) and its output.
struct Question {
  pid_t pid = -1;
  File answer;
};

Question ask(const AccountSources& sources, const char* database, const std::string& key) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  Question question;
  question.pid = ::fork();
  if (question.pid == 0) {
    // What a set-gid program may, the modules of others need not.
    if (::setresgid(::getgid(), ::getgid(), ::getgid()) != 0 || ::dup2(ends[1], 1) < 0) ::_exit(1);
    ::execl(sources.getent.c_str(), "getent", "--", database, key.c_str(), nullptr);
    ::_exit(1);
  }
  ::close(ends[1]);
  question.answer.reset(::fdopen(ends[0], "re"));
  if (!question.answer) ::close(ends[0]);
  return question;
}

// `key` is what getent understands; "" when it would take it for something else.
template <class Entry, class Match>
int find(const AccountSources& sources, const std::string& path, const char* database, const std::string& key,
         Match match, Entry* entry, std::span<char> buffer, Entry** found) {
  *found = nullptr;
  if (const File file(std::fopen(path.c_str(), "re")); file) {
    const int status = search(file.get(), match, entry, buffer, found);
    if (status != 0 || *found != nullptr) return status;
  }
  if (key.empty()) return 0;
  Question question = ask(sources, database, key);
  if (question.pid < 0) return EIO;
  int status = question.answer ? search(question.answer.get(), match, entry, buffer, found) : EIO;
  question.answer.reset();
  int ended = 0;
  pid_t waited = 0;
  do {
    waited = ::waitpid(question.pid, &ended, 0);
  } while (waited < 0 && errno == EINTR);
  const bool knows =
      waited > 0 && WIFEXITED(ended) && (WEXITSTATUS(ended) == 0 || WEXITSTATUS(ended) == not_found);
  if (status == 0 && *found == nullptr && !knows) status = EIO;
  return status;
}

// getent takes a number for an id.
std::string key_of(std::string_view name) {
  return std::ranges::all_of(name, is_digit) ? std::string() : std::string(name);
}

}  // namespace

int find_account(const AccountSources& sources, std::string_view name, passwd* entry, std::span<char> buffer,
                 passwd** found) {
  return find(
      sources, sources.passwd, "passwd", key_of(name), [&](const passwd& one) { return one.pw_name == name; },
      entry, buffer, found);
}

int find_account(const AccountSources& sources, uid_t uid, passwd* entry, std::span<char> buffer,
                 passwd** found) {
  // "+" and "-" begin the references of compat mode.
  const auto match = [&](const passwd& one) {
    return one.pw_uid == uid && one.pw_name[0] != '+' && one.pw_name[0] != '-';
  };
  return find(sources, sources.passwd, "passwd", std::to_string(uid), match, entry, buffer, found);
}

int find_group(const AccountSources& sources, std::string_view name, group* entry, std::span<char> buffer,
               group** found) {
  return find(
      sources, sources.group, "group", key_of(name), [&](const group& one) { return one.gr_name == name; },
      entry, buffer, found);
}

}  // namespace postrider::tools
