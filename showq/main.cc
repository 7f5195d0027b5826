#include "showq/showq.h"

using namespace postrider;

int main(int argc, char** argv) {
  daemon::Daemon daemon(argc, argv,
                        {.name = "showq",
                         .run_as = daemon::RunAs::mail_owner,
                         .allowed = {os::Allow::files, os::Allow::accept, os::Allow::connect_unix},
                         .help = "lists the queue"});
  if (!daemon.start({})) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  showq::Showq showq(daemon);
  return daemon.serve_streams([&](os::Fd client) { return showq.serve(std::move(client)); }, 20);
}
