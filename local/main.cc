#include "lib/daemon/daemon.h"
#include "local/local_agent.h"
#include "local/worker.h"

using namespace postrider;

int main(int argc, char** argv) {
  if (local::is_worker(argc, argv)) return local::run_worker();
  local::LocalSettings settings;
  daemon::Daemon daemon(argc, argv,
                        {.name = "local",
                         .run_as = daemon::RunAs::root,
                         .help = "delivers mail to local aliases, users, files and commands"});
  if (!daemon.start({&settings.local, &settings.delivery, &settings.identity, &settings.domains,
                     &settings.limits, &settings.services, &settings.tables})) {
    return daemon.exit_status();
  }
  local::LocalAgent agent({daemon.loop(), daemon.log(), daemon.files(), daemon.tasks(), daemon.stop_token(),
                           daemon.as_root(), daemon.service_name(), daemon.paths().default_privs(),
                           daemon.paths().mail_owner(), daemon.process().export_environment()},
                          settings);
  if (const auto opened = agent.open(); !opened) return daemon.fatal(opened.error());
  return daemon.serve_calls(
      [&](ipc::Call call, ipc::Frame frame) { return agent.handle(call, std::move(frame)); });
}
