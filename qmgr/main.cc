#include "lib/daemon/daemon.h"
#include "qmgr/queue_manager.h"

using namespace postrider;

int main(int argc, char** argv) {
  qmgr::QmgrConfig config;
  config::Services services;
  daemon::Daemon daemon(argc, argv,
                        {.name = "qmgr",
                         .run_as = daemon::RunAs::mail_owner,
                         .allowed = {os::Allow::files, os::Allow::threads, os::Allow::accept,
                                     os::Allow::connect_unix, os::Allow::listen_unix},
                         .stays = true,
                         .help = "schedules the delivery of queued messages"});
  if (!daemon.start({&config, &services})) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  qmgr::QueueManager manager(daemon, config, services);
  if (const Result<> opened = manager.open(); !opened) return daemon.fatal(opened.error());
  return daemon.serve_triggers([&](std::string kinds) { return manager.triggered(std::move(kinds)); });
}
