// sendmail, mailq and newaliases: the commands that programs and people have called for decades. Submits
// standard input to pickup, or by way of the set-gid prdrop; everything else is done by the suite's own
// commands. Options and exit codes of Postfix's sendmail(1).
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/address/verp.h"
#include "lib/base/text.h"
#include "lib/message/header.h"
#include "lib/os/credentials.h"
#include "lib/os/files.h"
#include "lib/os/process.h"
#include "lib/protocol/services.h"
#include "tools/command.h"
#include "tools/dropper.h"
#include "tools/sendmail_input.h"
#include "tools/sendmail_options.h"
#include "tools/stdin_smtp.h"
#include "tools/submit_config.h"

using namespace postrider;
using tools::Command;
using tools::SendmailRequest;
using Mode = SendmailRequest::Mode;

namespace {

constexpr const char* usage =
    "usage: sendmail [options] [recipient ...]   submits standard input\n"
    "       sendmail -bp | -q | -qIid | -qRsite | -bi | -bs | -bd\n"
    "  -t  recipients from the header too     -f  sender          -F  full name\n"
    "  -i  a lone dot is data                 -N  NOTIFY          -R  full or hdrs    -V  envelope id\n"
    "  -B  8BITMIME or 7BIT                   -bv report only     -v  report delivery -XV VERP\n"
    "  -bp list the queue   -q  try all now   -bi rebuild aliases -bs SMTP on standard input\n";

constexpr std::size_t most_header = 4U << 20;

// Runs one of our own commands in this process's place.
int become(Command& command, const std::string& program, std::vector<std::string> arguments) {
  const std::string path =
      program.starts_with('/') ? program : command.paths().command_directory() + "/" + program;
  arguments.insert(arguments.begin(), program.substr(program.rfind('/') + 1));
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(path.c_str(), pointers.data());
  return command.fatal(EX_OSERR, Error::from_errno(errno, "execute " + path).text());
}

std::string caller(const os::User& user) { return fmt::format("{}({})", user.name, user.uid); }

tools::Dropper::Ways ways_of(Command& command) {
  return {command.paths().queue_directory() + "/" + std::string(protocol::pickup_intake),
          command.paths().command_directory() + "/prdrop", command.values().config_directory()};
}

class Enqueue {
 public:
  Enqueue(Command& command, SendmailRequest& request, const config::Verp& verp, os::User user,
          tools::LineEndings endings)
      : command_(command),
        request_(request),
        verp_(verp),
        user_(std::move(user)),
        input_(endings, request.dot_is_data) {}

  int run() {
    queue::Envelope& envelope = request_.envelope;
    if (const int status = fill_envelope(); status != EX_OK) return status;
    // The header comes first when it names recipients; everything else streams.
    std::string content;
    bool ended = false;
    if (request_.extract) {
      message::HeaderBoundary boundary;
      while (!ended && !boundary.find(content, false) && content.size() < most_header) {
        const auto more = read(content);
        if (!more) return reading_failed(more.error());
        ended = !*more;
      }
      if (const Result<> extracted = tools::extract_recipients(content, request_.notify, envelope);
          !extracted)
        return command_.fatal(EX_DATAERR, extracted.error().text());
      if (envelope.recipients.empty())
        return command_.fatal(EX_USAGE, "No recipient addresses found in message header");
    }
    auto dropper = tools::Dropper::start(ways_of(command_), envelope);
    if (!dropper) return command_.fatal(EX_DATAERR, dropper.error().text());
    while (dropper->put(content) && !ended) {
      content.clear();
      const auto more = read(content);
      if (!more) return reading_failed(more.error());  // and prdrop throws away what it has
      ended = !*more;
    }
    const tools::DropVerdict verdict = tools::judge_drop(dropper->finish());
    if (verdict.status == EX_OK) return EX_OK;
    return command_.fatal(verdict.status, caller(user_) + ": " + verdict.text);
  }

 private:
  int fill_envelope() {
    queue::Envelope& envelope = request_.envelope;
    envelope.flags |= queue::flag::local;
    envelope.sender = request_.has_sender ? tools::sender_address(request_.sender) : user_.name;
    const char* name = std::getenv("NAME");
    envelope.full_name = !request_.full_name.empty() ? request_.full_name
                         : name != nullptr           ? name
                                                     : user_.gecos;
    std::ranges::replace_if(
        envelope.full_name, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    if (envelope.full_name.size() > queue::max_attribute_bytes)
      envelope.full_name.resize(queue::max_attribute_bytes);
    if (request_.default_verp && envelope.verp_delimiters.empty())
      envelope.verp_delimiters = verp_.delimiters();
    if (!envelope.verp_delimiters.empty() &&
        !address::are_verp_delimiters(envelope.verp_delimiters, verp_.filter()))
      return command_.fatal(EX_USAGE, fmt::format("-XV requires two delimiters from {}", verp_.filter()));
    for (const std::string& operand : request_.recipients) {
      if (operand.find_first_of("\r\n") != std::string::npos)
        return command_.fatal(EX_DATAERR, "a recipient address contains a line break");
      tools::add_recipients(operand, request_.notify, envelope);
    }
    if (envelope.recipients.size() > queue::max_recipients)
      return command_.fatal(EX_DATAERR, "too many recipients");
    if (envelope.recipients.empty() && !request_.extract)
      return command_.fatal(EX_USAGE,
                            "Recipient addresses must be specified on the command line or via the -t option");
    return EX_OK;
  }

  // Appends what comes next; false at the end of the message.
  Result<bool> read(std::string& content) {
    char bytes[16384];
    const auto got = os::system_files().read(0, bytes);
    if (!got) return fail(got.error());
    bool ended = *got == 0;
    if (ended)
      input_.finish(content);
    else
      ended = input_.feed(std::string_view(bytes, *got), content);
    return !ended;
  }

  int reading_failed(const Error& error) {
    return command_.fatal(EX_DATAERR, caller(user_) + ": error reading input: " + error.text());
  }

  Command& command_;
  SendmailRequest& request_;
  const config::Verp& verp_;
  const os::User user_;
  tools::SendmailInput input_;
};

int enqueue(Command& command, SendmailRequest& request) {
  config::Values values = command.values();
  tools::SubmitConfig config;
  config::Verp verp;
  if (const Result<> loaded = config::load(values, {&config, &verp}); !loaded)
    return command.fatal(EX_CONFIG, loaded.error().text());
  tools::LineEndings endings{};
  if (iequals(config.line_endings(), "always"))
    endings = tools::LineEndings::always;
  else if (iequals(config.line_endings(), "strict"))
    endings = tools::LineEndings::strict;
  else if (iequals(config.line_endings(), "never"))
    endings = tools::LineEndings::never;
  else
    return command.fatal(EX_CONFIG, "sendmail_fix_line_endings is none of always, strict, never");
  const auto user = os::find_user(::getuid());
  if (!user) return command.fatal(EX_TEMPFAIL, user.error().text());
  if (!*user)
    return command.fatal(EX_OSERR, fmt::format("unable to find a login name for user ID {}", ::getuid()));
  return Enqueue(command, request, verp, **user, endings).run();
}

int serve_smtp(Command& command) {
  config::Values values = command.values();
  config::Identity identity;
  config::Limits limits;
  if (const Result<> loaded = config::load(values, {&identity, &limits}); !loaded)
    return command.fatal(EX_CONFIG, loaded.error().text());
  tools::StdinSmtp::Settings settings;
  settings.hostname = identity.myhostname();
  settings.mail_name = identity.mail_name();
  settings.size_limit = static_cast<std::uint64_t>(limits.message_size_limit());
  settings.utf8 = limits.smtputf8_enable();
  const tools::Dropper::Ways ways = ways_of(command);
  tools::StdinSmtp session(
      settings, [&](const queue::Envelope& envelope) -> Result<std::unique_ptr<tools::MessageSink>> {
        auto dropper = tools::Dropper::start(ways, envelope);
        if (!dropper) return fail(dropper.error());
        return std::make_unique<tools::Dropper>(std::move(*dropper));
      });
  os::Files& files = os::system_files();
  std::string out = session.greeting();
  for (bool more = true;;) {
    if (!files.write(1, out)) return EX_OK;  // nobody listens any more
    if (!more) return EX_OK;
    char bytes[16384];
    const auto got = files.read(0, bytes);
    if (!got) return command.fatal(EX_IOERR, got.error().text());
    if (*got == 0) return EX_OK;
    out.clear();
    more = session.feed(std::string_view(bytes, *got), out);
  }
}

int new_aliases(Command& command, const SendmailRequest& request) {
  std::vector<std::string> arguments{"-c", command.values().config_directory(), "--"};
  if (!request.target.empty()) {
    arguments.push_back(request.target);
  } else {
    config::Values values = command.values();
    config::Domains domains;
    if (const Result<> loaded = config::load(values, {&domains}); !loaded)
      return command.fatal(EX_CONFIG, loaded.error().text());
    if (domains.alias_database().empty()) return EX_OK;
    arguments.insert(arguments.end(), domains.alias_database().begin(), domains.alias_database().end());
  }
  return become(command, "pralias", std::move(arguments));
}

// What a shell, cron or a web server may have left us without.
void settle() {
  os::open_standard_streams();
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

int main(int argc, char** argv) {
  settle();
  if (argc < 1) return EX_USAGE;
  // Installed set-uid or set-gid by mistake: what it lends is given back.
  if (::setgid(::getgid()) != 0 || ::setuid(::getuid()) != 0) return EX_OSERR;
  const std::string called = argv[0];
  const std::string program = called.substr(called.rfind('/') + 1);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  Command command("sendmail", "sendmail", "sendmail");
  if (std::ranges::find(arguments, "--help") != arguments.end()) {
    std::fputs(usage, stdout);
    return EX_OK;
  }
  auto request = tools::parse_sendmail(program, arguments);
  if (!request) return command.fatal(EX_USAGE, request.error().text());
  for (const std::string& warning : request->warnings) command.warning(warning);
  std::string directory = request->config;
  if (struct stat status{};
      !directory.empty() && ::stat(directory.c_str(), &status) == 0 && !S_ISDIR(status.st_mode))
    directory = directory.find('/') == std::string::npos ? "." : directory.substr(0, directory.rfind('/'));
  if (!command.open(directory)) return EX_CONFIG;
  ::setenv("MAIL_CONFIG", command.values().config_directory().c_str(), 1);
  switch (request->mode) {
    case Mode::enqueue: return enqueue(command, *request);
    case Mode::mailq: return become(command, "prqueue", {"-p"});
    case Mode::flush: return become(command, "prqueue", {"-f"});
    case Mode::flush_site: return become(command, "prqueue", {"-s", request->target});
    case Mode::flush_id: return become(command, "prqueue", {"-i", request->target});
    case Mode::daemon: return become(command, "postrider", {"start"});
    case Mode::newaliases: return new_aliases(command, *request);
    case Mode::stdin_smtp: return serve_smtp(command);
  }
  return EX_SOFTWARE;
}
