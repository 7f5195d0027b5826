#include "lib/daemon/daemon.h"
#include "local/pipe_agent.h"
#include "local/worker.h"

using namespace postrider;

int main(int argc, char** argv) {
  if (local::is_worker(argc, argv)) return local::run_worker();
  local::PipeSettings settings;
  daemon::Daemon daemon(
      argc, argv,
      {.name = "pipe", .run_as = daemon::RunAs::root, .help = "delivers mail to external commands"});
  if (!daemon.start({&settings.delivery, &settings.pipe, &settings.domains, &settings.limits})) {
    return daemon.exit_status();
  }
  const auto time_limit = settings.pipe.service_time_limit.of(daemon.values(), daemon.service_name());
  if (!time_limit) return daemon.fatal(time_limit.error());
  auto service = local::parse_pipe_service(daemon.command_line().arguments);
  if (!service) return daemon.fatal(service.error());
  local::PipeAgent agent({daemon.loop(), daemon.log(), daemon.tasks(), daemon.stop_token(), daemon.as_root(),
                          daemon.service_name(), daemon.process().export_environment()},
                         settings, std::move(*service), *time_limit);
  if (const auto opened = agent.open(daemon.paths().mail_owner()); !opened)
    return daemon.fatal(opened.error());
  return daemon.serve_calls(
      [&](ipc::Call call, ipc::Frame frame) { return agent.handle(call, std::move(frame)); });
}
