#include "keys/start.h"

#include <unistd.h>

#include "lib/os/credentials.h"

namespace postrider::keys {

const daemon::Declaration declaration{.name = "keys",
                                      .run_as = daemon::RunAs::keys,
                                      .allowed = {os::Allow::accept, os::Allow::threads},
                                      .stays = true,
                                      .help = "holds private keys, and signs with them for TLS servers"};

KeyStore open_keys(daemon::Daemon& daemon, const KeysConfig& config) {
  const auto master_cf = config::MasterCf::read(daemon.paths().config_directory() + "/master.cf");
  if (!master_cf) daemon.log().warning("{}", master_cf.error().text());
  const KeyFiles wanted = collect_files(config, daemon.values(), master_cf ? &*master_cf : nullptr);
  for (const std::string& complaint : wanted.complaints) daemon.log().warning("{}", complaint);
  KeyStore store;
  for (const protocol::GetChains::File& file : wanted.files) {
    if (const Result<> added = store.add(daemon.files(), file); !added) {
      daemon.log().error("TLS key: {}", added.error().text());
    }
  }
  for (const std::string& complaint : store.complaints()) daemon.log().warning("TLS: {}", complaint);
  return store;
}

Result<std::vector<uid_t>> allowed_callers(const daemon::Daemon& daemon) {
  std::vector<uid_t> callers{::geteuid()};
  if (!daemon.as_root()) return callers;
  const auto user = os::find_user(daemon.paths().network_owner());
  if (!user) return fail(user.error());
  if (!*user) {
    return fail(Trouble::configuration,
                "parameter network_owner: there is no user \"" + daemon.paths().network_owner() + "\"");
  }
  callers.push_back((*user)->uid);
  return callers;
}

}  // namespace postrider::keys
