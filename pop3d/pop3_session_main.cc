#include "pop3d/starter.h"

using namespace postrider;

int main(int argc, char** argv) {
  pop3d::SessionConfig config;
  config::Services services;
  daemon::Daemon daemon(argc, argv,
                        {.name = "pop3-session",
                         .run_as = daemon::RunAs::root,
                         .allowed = {},
                         .help = "serves one user's mailbox by POP3, as that user"});
  if (!daemon.start({&config, &services})) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  pop3d::Starter starter(daemon, config, services);
  return daemon.serve_calls(
      [&](ipc::Call call, ipc::Frame frame) { return starter.answer(call, std::move(frame)); });
}
