// prdrop: puts a submission from standard input into maildrop/. The one set-gid program of the suite, run by
// any user with any arguments, environment, limits and descriptors; so in this order:
//
//   1. descriptors 0-2 exist, no other does      4. the configuration is one the administrator named
//   2. the environment is empty                  5. the user may submit
//   3. signals are ignored or remove the file    6. the stream is copied, durable, then exit 0
//
// Exit codes: 0 on stable storage; EX_USAGE, EX_CONFIG; EX_DATAERR malformed or incomplete; EX_UNAVAILABLE
// too big; EX_NOPERM; EX_TEMPFAIL anything that may work later.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/common.h"
#include "lib/config/install_paths.h"
#include "lib/config/match_list.h"
#include "lib/config/values.h"
#include "lib/ipc/trigger.h"
#include "lib/os/credentials.h"
#include "lib/os/process.h"
#include "lib/os/sandbox.h"
#include "lib/protocol/services.h"
#include "lib/table/table.h"
#include "tools/drop_stream.h"
#include "tools/submit_config.h"

using namespace postrider;

namespace {

constexpr const char* usage =
    "usage: prdrop [-c config_directory] [-rv]\n"
    "  Reads a submission of sendmail(1) from standard input and leaves it for pickup(8).\n"
    "  -c  directory of main.cf    -r, -v  accepted for compatibility\n";

// fmt::print() throws where nothing can be written, and that may be what the caller arranged.
void say(const std::string& text) { static_cast<void>(os::system_files().write(2, text)); }

[[noreturn]] void die(int status, std::string_view text) {
  say(fmt::format("prdrop: fatal: {}\n", printable(text)));
  std::_Exit(status);
}

// ---- 1

// A file opened later must not become somebody's standard output.
void settle_descriptors() {
  if (!os::open_standard_streams()) std::_Exit(EX_OSERR);
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
}

// ---- 3

volatile std::sig_atomic_t unfinished_set = 0;
char unfinished_path[4096];

void give_up(int) {
  if (unfinished_set != 0) ::unlink(unfinished_path);
  ::_exit(EX_TEMPFAIL);
}

void settle_signals() {
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  for (const int number : {SIGPIPE, SIGXFSZ, SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU})
    ::sigaction(number, &ignore, nullptr);
  struct sigaction end{};
  end.sa_handler = give_up;
  ::sigfillset(&end.sa_mask);
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGVTALRM, SIGXCPU})
    ::sigaction(number, &end, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);  // the caller may have blocked them all
}

void block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
}

// ---- 4

// Whoever runs a set-gid program may not choose where it writes.
bool may_choose(const std::string& directory) {
  if (::getuid() == 0 || ::getgid() == ::getegid()) return true;
  const std::string installed = config::install_paths().config_directory;
  if (directory == installed) return true;
  const auto values = config::Values::load(installed);
  if (!values) return false;
  tools::SubmitConfig submit;
  if (!submit.load(*values)) return false;
  for (const config::List* list : {&submit.alternate_config_directories, &submit.multi_instance_directories})
    if (std::ranges::find((*list)(), directory) != (*list)().end()) return true;
  return false;
}

// ---- 5

bool may_submit(const std::vector<std::string>& allowed) {
  const uid_t uid = ::getuid();
  // The usual case needs no account's name.
  if (uid == 0 || (allowed.size() == 1 && allowed[0] == "static:anyone")) return true;
  const auto user = os::find_user(uid);
  if (!user) die(EX_TEMPFAIL, user.error().text());
  const std::string name = *user ? (*user)->name : "unknown";
  const auto list = config::MatchList::make(allowed, config::MatchKind::text);
  if (!list) die(EX_CONFIG, list.error().within("authorized_submit_users").text());
  SystemClock clock;
  MemoryLog log;
  const auto lookup = [&](std::string_view spec, std::string_view key) -> Result<bool> {
    const auto table = table::open(spec, {.files = os::system_files(), .log = log, .clock = clock});
    if (!table) return fail(table.error());
    const auto found = (*table)->lookup(key);
    if (!found) return fail(found.error());
    return found->has_value();
  };
  const Result<bool> match = list->matches(name, lookup);
  if (!match) die(EX_TEMPFAIL, match.error().within("authorized_submit_users").text());
  return *match;
}

// ---- 6

int status_of(const Error& error) {
  if (error.os_error() == EFBIG) return EX_UNAVAILABLE;
  if (error.is(Trouble::permanent)) return EX_DATAERR;
  return EX_TEMPFAIL;
}

}  // namespace

int main(int argc, char** argv) {
  settle_descriptors();
  const char* given = std::getenv("MAIL_CONFIG");
  std::string directory = given != nullptr ? given : "";
  ::clearenv();
  ::setenv("PATH", "/usr/bin:/bin", 1);
  settle_signals();
  ::umask(077);
  (void)os::forbid_dumps_and_privileges();

  opterr = 0;
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "--help") {
      static_cast<void>(os::system_files().write(1, usage));
      return EX_OK;
    }
  for (int letter = 0; (letter = ::getopt(argc, argv, "+c:rv")) != -1;) {
    if (letter == 'c') directory = optarg;
    if (letter == '?') {
      say(usage);
      return EX_USAGE;
    }
  }
  if (argc < 1 || optind < argc) {
    say(usage);
    return EX_USAGE;
  }
  if (directory.empty()) directory = config::install_paths().config_directory;
  if (!may_choose(directory))
    die(EX_USAGE, directory + " is not in alternate_config_directories of the installed main.cf");

  auto values = config::Values::load(directory, {{"config_directory", directory, "command"}});
  if (!values) die(EX_CONFIG, values.error().text());
  config::Paths paths;
  config::Limits limits;
  config::Services services;
  config::Submission submission;
  if (const Result<> loaded = config::load(*values, {&paths, &limits, &services, &submission}); !loaded)
    die(EX_CONFIG, loaded.error().text());
  if (!may_submit(submission.authorized_users())) die(EX_NOPERM, "you are not allowed to submit mail");
  if (::chdir(paths.queue_directory().c_str()) != 0)
    die(EX_CONFIG, Error::from_errno(errno, "chdir " + paths.queue_directory()).text());

  os::Files& files = os::system_files();
  const auto envelope = tools::read_drop_envelope(files, 0);
  if (!envelope) die(status_of(envelope.error()), envelope.error().text());
  const queue::Envelope accepted = queue::only_submittable(*envelope);
  if (accepted.recipients.empty()) die(EX_DATAERR, "no recipients");

  // From its creation to the handler knowing its name nothing may interrupt.
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  auto writer = queue::MaildropWriter::create(files, "maildrop", accepted);
  if (!writer) {
    const bool forbidden = writer.error().is(Trouble::access);
    die(forbidden ? EX_NOPERM : status_of(writer.error()), writer.error().text());
  }
  const std::string_view path = writer->temporary_path();
  path.copy(unfinished_path, sizeof unfinished_path - 1);
  unfinished_set = 1;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);

  tools::DropLimits most;
  most.content_bytes = static_cast<std::uint64_t>(limits.message_size_limit());
  Result<> copied = tools::copy_drop_content(files, 0, *writer, most);
  Result<std::string> committed = fail(Trouble::temporary, "");
  block_signals();  // from here on the message is in or it is not
  if (copied) committed = writer->commit();
  if (!copied || !committed) {
    const Error error = copied ? committed.error() : copied.error();
    (void)files.unlink(writer->temporary_path());
    die(status_of(error), error.text());
  }
  // pickup looks by itself every minute; no answer is a reason to fail now.
  (void)ipc::trigger(protocol::public_service(services.pickup_service_name()), 'W');
  return EX_OK;
}
