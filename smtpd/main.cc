#include "lib/daemon/daemon.h"
#include "smtpd/server.h"

using namespace postrider;

int main(int argc, char** argv) {
  smtpd::Sections sections;
  daemon::Daemon daemon(argc, argv,
                        {.name = "smtpd",
                         .run_as = daemon::RunAs::network,
                         .allowed = {os::Allow::accept, os::Allow::connect_unix, os::Allow::connect_inet},
                         .help = "receives mail by SMTP"});
  if (!daemon.start(sections.all())) return daemon.exit_status();
  smtpd::Server server(daemon, sections);
  if (const Result<> opened = server.open(); !opened) return daemon.fatal(opened.error());
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  return daemon.serve_streams([&](os::Fd client) { return server.serve(std::move(client)); },
                              static_cast<std::size_t>(sections.smtpd.client_limit()));
}
