#include "keys/server.h"
#include "keys/start.h"

using namespace postrider;

int main(int argc, char** argv) {
  keys::KeysConfig config;
  daemon::Daemon daemon(argc, argv, keys::declaration);
  if (!daemon.start(config.sections())) return daemon.exit_status();
  keys::KeyStore store = keys::open_keys(daemon, config);
  auto callers = keys::allowed_callers(daemon);
  if (!callers) return daemon.fatal(callers.error());
  keys::Server server(daemon.loop(), daemon.log(), std::move(store), config.smtpd.session_cache_timeout(),
                      std::move(*callers));
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  return daemon.serve_calls(
      [&server](ipc::Call call, ipc::Frame frame) { return server.handle(call, std::move(frame)); });
}
