#include <unistd.h>

#include "lib/config/master_cf.h"
#include "lib/daemon/daemon.h"
#include "lib/table/configured.h"
#include "rewrite/config.h"
#include "rewrite/server.h"

using namespace postrider;

int main(int argc, char** argv) {
  rewrite::RewriteConfig config;
  config::Identity identity;
  config::Domains domains;
  config::Network network;
  config::Tables tables;
  config::Limits limits;
  daemon::Daemon daemon(argc, argv,
                        {.name = "rewrite",
                         .run_as = daemon::RunAs::mail_owner,
                         .allowed = {os::Allow::files, os::Allow::threads, os::Allow::accept,
                                     os::Allow::connect_unix, os::Allow::connect_inet},
                         .help = "rewrites and resolves addresses, looks up tables for others"});
  if (!daemon.start({&config, &identity, &domains, &network, &tables, &limits})) return daemon.exit_status();
  auto settings = rewrite::resolver_settings(config, identity, domains, network);
  if (!settings) return daemon.fatal(settings.error());
  const auto master = config::MasterCf::read(daemon.values().config_directory() + "/master.cf");
  auto allowed = rewrite::AllowedTables::collect(daemon.values(), master ? &*master : nullptr);
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  rewrite::Server server(daemon.loop(), daemon.log(),
                         table::configured(tables, limits, daemon.files(), daemon.log(), daemon.clock()),
                         std::move(*settings), std::move(allowed), geteuid(),
                         static_cast<std::size_t>(config.table_threads()));
  if (const Result<> opened = server.open(); !opened) return daemon.fatal(opened.error());
  return daemon.serve_calls(
      [&](ipc::Call call, ipc::Frame frame) { return server.answer(call, std::move(frame)); });
}
