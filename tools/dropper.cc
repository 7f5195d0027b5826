#include "tools/dropper.h"

#include <sysexits.h>

#include <utility>

#include "lib/os/files.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/queue/maildrop.h"

namespace postrider::tools {

Result<Dropper> Dropper::start(const std::string& program, const std::string& config_directory,
                               const queue::Envelope& envelope) {
  const auto encoded = queue::encode(envelope);
  if (!encoded) return fail(encoded.error());
  auto ends = os::pipe();
  if (!ends) return fail(ends.error());
  os::Spawn spawn;
  spawn.program = program;
  spawn.arguments = {"prdrop", "-r"};
  spawn.environment = {"PATH=/usr/bin:/bin", "MAIL_CONFIG=" + config_directory};
  spawn.descriptors = {{ends->first.get(), 0}, {2, 2}};
  spawn.die_with_parent = false;  // it notices by itself, and removes its file
  const auto pid = os::spawn(spawn);
  if (!pid) return fail(pid.error());
  Dropper dropper;
  dropper.pid_ = *pid;
  dropper.input_ = std::move(ends->second);
  dropper.send(queue::drop_piece(*encoded));
  return dropper;
}

Dropper::Dropper(Dropper&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), input_(std::move(other.input_)), taken_(other.taken_) {}

Dropper::~Dropper() {
  if (pid_ == 0) return;
  input_.reset();
  (void)os::wait_for(pid_);
}

// Fails when prdrop is gone (SIGPIPE is ignored); its exit code will say why.
bool Dropper::send(std::string_view bytes) {
  if (taken_) taken_ = os::system_files().write(input_.get(), bytes).has_value();
  return taken_;
}

bool Dropper::put(std::string_view content) {
  for (std::size_t at = 0; taken_ && at < content.size(); at += queue::max_drop_piece)
    send(queue::drop_piece(content.substr(at, queue::max_drop_piece)));
  return taken_;
}

int Dropper::finish() {
  send(queue::drop_piece(""));
  input_.reset();
  const auto end = os::wait_for(std::exchange(pid_, 0));
  if (!end || end->signal != 0) return EX_TEMPFAIL;
  return end->exit_status;
}

DropVerdict judge_drop(int exit_status) {
  switch (exit_status) {
    case EX_OK: return {EX_OK, ""};
    case EX_UNAVAILABLE: return {EX_UNAVAILABLE, "message file too big"};
    case EX_NOPERM: return {EX_NOPERM, "not allowed to submit mail"};
    case EX_DATAERR:
    case EX_USAGE: return {EX_SOFTWARE, "prdrop did not understand the submission"};
    case EX_CONFIG: return {EX_CONFIG, "the mail system is misconfigured"};
    default: return {EX_TEMPFAIL, "queue file write error"};
  }
}

}  // namespace postrider::tools
