#include "showq/showq.h"

using namespace postrider;

int main(int argc, char** argv) {
  showq::FlushConfig config;
  daemon::Daemon daemon(argc, argv,
                        {.name = "flush",
                         .run_as = daemon::RunAs::mail_owner,
                         .allowed = {os::Allow::files, os::Allow::accept, os::Allow::connect_unix},
                         .help = "asks qmgr to try sleeping messages now"});
  if (!daemon.start({&config})) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  showq::Flush flush(daemon, config);
  return daemon.serve_calls(
      [&](ipc::Call call, ipc::Frame frame) { return flush.answer(call, std::move(frame)); });
}
