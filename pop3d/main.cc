#include "pop3d/front.h"

using namespace postrider;

int main(int argc, char** argv) {
  pop3d::Pop3dConfig config;
  daemon::TlsServerConfig tls{"pop3d"};
  config::Services services;
  daemon::Daemon daemon(argc, argv,
                        {.name = "pop3d",
                         .run_as = daemon::RunAs::network,
                         .allowed = {os::Allow::accept, os::Allow::connect_unix},
                         .help = "lets users log in to fetch their mail by POP3"});
  if (!daemon.start({&config, &tls, &services})) return daemon.exit_status();
  pop3d::Front front(daemon, config, tls, services);
  if (const Result<> opened = front.open(); !opened) return daemon.fatal(opened.error());
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  return daemon.serve_streams([&](os::Fd client) { return front.serve(std::move(client)); },
                              static_cast<std::size_t>(config.client_limit()));
}
