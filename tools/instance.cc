#include "tools/instance.h"

#include <signal.h>
#include <time.h>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/daemon/instance_lock.h"

namespace postrider::tools {

Result<std::unique_ptr<Instance>> Instance::open(os::Files& files, const std::string& config_directory) {
  std::unique_ptr<Instance> instance(new Instance(files));
  auto values = config::Values::load(config_directory);
  if (!values) return fail(values.error());
  instance->values = std::make_unique<config::Values>(std::move(*values));
  if (auto loaded = config::load(
          *instance->values,
          {&instance->identity, &instance->paths, &instance->process, &instance->logging, &instance->master});
      !loaded) {
    return fail(loaded.error());
  }
  return instance;
}

std::string Instance::pid_file() const {
  return fmt::format("{}/{}/master.pid", paths.queue_directory(), master.process_id_directory());
}

Result<std::optional<pid_t>> Instance::running() const {
  const auto locked = daemon::is_locked(files_, pid_file());
  if (!locked) return fail(locked.error());
  if (!*locked) return std::nullopt;
  const auto text = os::read_file(files_, pid_file(), 100);
  if (!text) return fail(text.error());
  const auto pid = parse_number<pid_t>(trim(*text));
  if (!pid || *pid < 1) return fail(Trouble::temporary, fmt::format("{} holds no process id", pid_file()));
  return *pid;
}

bool Instance::signal(pid_t pid, int number) { return ::kill(pid, number) == 0; }

bool Instance::wait_until_stopped(Seconds patience) const {
  const SystemClock clock;
  const MonoTime end = clock.mono() + patience;
  while (true) {
    const auto pid = running();
    if (pid && !*pid) return true;
    if (clock.mono() >= end) return false;
    const timespec pause{0, 20'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace postrider::tools
