#include "tools/dropper.h"

#include <poll.h>
#include <sysexits.h>

#include <span>
#include <utility>

#include "lib/os/files.h"
#include "lib/os/process.h"
#include "lib/os/socket.h"
#include "lib/queue/maildrop.h"

namespace postrider::tools {

namespace {

// pickup greets at once, unless it is being started or has other clients; prdrop needs nobody.
constexpr int greeting_patience_ms = 1'000;
constexpr int answer_patience_ms = 60'000;

bool says_yes(const os::Fd& pickup, int patience_ms) {
  pollfd waiting{pickup.get(), POLLIN, 0};
  char word = 0;
  if (::poll(&waiting, 1, patience_ms) <= 0) return false;
  const auto got = os::system_files().read(pickup.get(), std::span(&word, 1));
  return got && *got == 1 && word == queue::direct_yes;
}

// True when pickup has made it durable. When it did and its answer was lost, the submission comes twice.
bool taken_by_pickup(const std::string& intake, std::string_view stream) {
  const auto pickup = os::connect_unix(intake);
  return pickup && says_yes(*pickup, greeting_patience_ms) &&
         os::system_files().write(pickup->get(), stream) && says_yes(*pickup, answer_patience_ms);
}

}  // namespace

Result<Dropper> Dropper::start(Ways ways, const queue::Envelope& envelope) {
  const auto encoded = queue::encode(envelope);
  if (!encoded) return fail(encoded.error());
  Dropper dropper;
  dropper.ways_ = std::move(ways);
  dropper.held_ = queue::drop_piece(*encoded);
  return dropper;
}

Dropper::Dropper(Dropper&& other) noexcept
    : ways_(std::move(other.ways_)),
      held_(std::move(other.held_)),
      pid_(std::exchange(other.pid_, 0)),
      input_(std::move(other.input_)),
      taken_(other.taken_) {}

Dropper::~Dropper() {
  if (pid_ == 0) return;
  input_.reset();
  (void)os::wait_for(pid_);
}

void Dropper::run_prdrop() {
  taken_ = false;
  auto ends = os::pipe();
  if (!ends) return;
  os::Spawn spawn;
  spawn.program = ways_.prdrop;
  spawn.arguments = {"prdrop", "-r"};
  spawn.environment = {"PATH=/usr/bin:/bin", "MAIL_CONFIG=" + ways_.config_directory};
  spawn.descriptors = {{ends->first.get(), 0}, {2, 2}};
  spawn.die_with_parent = false;  // it notices by itself, and removes its file
  const auto pid = os::spawn(spawn);
  if (!pid) return;
  pid_ = *pid;
  input_ = std::move(ends->second);
  taken_ = true;
  send(std::exchange(held_, {}));
}

// Fails when prdrop is gone (SIGPIPE is ignored); its exit code will say why.
void Dropper::send(std::string_view bytes) {
  if (taken_) taken_ = os::system_files().write(input_.get(), bytes).has_value();
}

bool Dropper::put(std::string_view content) {
  const bool fits = pid_ == 0 && held_.size() + content.size() < queue::max_direct;
  if (!fits && pid_ == 0 && taken_) run_prdrop();
  for (std::size_t at = 0; taken_ && at < content.size(); at += queue::max_drop_piece) {
    const std::string piece = queue::drop_piece(content.substr(at, queue::max_drop_piece));
    if (fits)
      held_ += piece;
    else
      send(piece);
  }
  return taken_;
}

int Dropper::finish() {
  if (pid_ == 0 && taken_) {
    held_ += queue::drop_piece("");
    if (held_.size() <= queue::max_direct && taken_by_pickup(ways_.intake, held_)) return EX_OK;
    run_prdrop();
  } else {
    send(queue::drop_piece(""));
  }
  if (pid_ == 0) return EX_OSERR;
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
    case EX_OSERR: return {EX_OSERR, "prdrop cannot be run"};
    case EX_CONFIG: return {EX_CONFIG, "the mail system is misconfigured"};
    default: return {EX_TEMPFAIL, "queue file write error"};
  }
}

}  // namespace postrider::tools
