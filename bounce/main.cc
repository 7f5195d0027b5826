#include "bounce/rules.h"
#include "bounce/server.h"
#include "lib/daemon/daemon.h"
#include "lib/protocol/services.h"

using namespace postrider;

int main(int argc, char** argv) {
  bounce::BounceConfig config;
  config::Identity identity;
  config::Services services;
  daemon::Daemon daemon(argc, argv,
                        {.name = "bounce",
                         .run_as = daemon::RunAs::mail_owner,
                         .allowed = {os::Allow::accept, os::Allow::connect_unix},
                         .help = "tells senders what became of their mail"});
  if (!daemon.start({&config, &identity, &services})) return daemon.exit_status();
  Result<bounce::Rules> rules = bounce::make_rules(config, identity, daemon.files());
  if (!rules) return daemon.fatal(rules.error());
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  bounce::Server server(daemon.loop(), daemon.log(), daemon.files(), std::move(*rules),
                        protocol::public_service(services.cleanup_service_name()), daemon.stop_token());
  return daemon.serve_calls(
      [&](ipc::Call call, ipc::Frame frame) { return server.serve(call, std::move(frame)); });
}
