#include "lib/daemon/daemon.h"
#include "local/virtual_agent.h"
#include "local/worker.h"

using namespace postrider;

int main(int argc, char** argv) {
  if (local::is_worker(argc, argv)) return local::run_worker();
  local::VirtualSettings settings;
  daemon::Daemon daemon(argc, argv,
                        {.name = "virtual",
                         .run_as = daemon::RunAs::root,
                         .help = "delivers mail to mailboxes that belong to no account"});
  if (!daemon.start(
          {&settings.box, &settings.delivery, &settings.domains, &settings.limits, &settings.tables})) {
    return daemon.exit_status();
  }
  local::VirtualAgent agent({daemon.loop(), daemon.log(), daemon.files(), daemon.tasks(), daemon.stop_token(),
                             daemon.as_root(), daemon.service_name()},
                            settings);
  return daemon.serve_calls(
      [&](ipc::Call call, ipc::Frame frame) { return agent.handle(call, std::move(frame)); });
}
