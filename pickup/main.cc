#include "lib/daemon/daemon.h"
#include "pickup/collector.h"
#include "pickup/intake.h"

using namespace postrider;

int main(int argc, char** argv) {
  pickup::Sections sections;
  daemon::Daemon daemon(
      argc, argv,
      {.name = "pickup",
       .run_as = daemon::RunAs::mail_owner,
       .allowed = {os::Allow::files, os::Allow::threads, os::Allow::accept, os::Allow::connect_unix},
       .help = "takes local submissions to cleanup"});
  if (!daemon.start(sections.all())) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  pickup::Submitter submitter(daemon, sections);
  pickup::Intake intake(daemon, sections, submitter);
  intake.start();
  pickup::Collector collector(daemon, submitter);
  collector.start();
  return daemon.serve_triggers([&](std::string) { return collector.collect(); });
}
