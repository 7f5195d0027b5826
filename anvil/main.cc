#include "anvil/server.h"
#include "lib/daemon/daemon.h"

using namespace postrider;

int main(int argc, char** argv) {
  anvil::AnvilConfig config;
  daemon::Daemon daemon(argc, argv,
                        {.name = "anvil",
                         .run_as = daemon::RunAs::mail_owner,
                         .allowed = {os::Allow::accept},
                         .stays = true,
                         .help = "counts connections and rates of clients"});
  if (!daemon.start({&config})) return daemon.exit_status();
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  anvil::Server server(daemon.loop(), daemon.log(), config, daemon.stop_token(), daemon.drain_token());
  daemon.tasks().spawn(server.log_statistics());
  constexpr std::size_t most_connections = 10'000;
  return daemon.serve_streams([&](os::Fd client) { return server.serve(std::move(client)); },
                              most_connections);
}
