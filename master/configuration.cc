#include "master/configuration.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/config/values.h"

namespace postrider::master {
namespace {

// Programs of Postfix whose work another one does here, and those whose work needs no process of its own.
struct Replacement {
  std::string_view theirs;
  std::string_view ours;  // empty: the service is left out
};
constexpr Replacement replacements[] = {{"trivial-rewrite", "rewrite"},
                                        {"lmtp", "smtp"},
                                        {"nqmgr", "qmgr"},
                                        {"oqmgr", "qmgr"},
                                        {"tlsmgr", ""},
                                        {"proxymap", ""},
                                        {"scache", ""},
                                        {"postlogd", ""},
                                        {"verify", ""},
                                        {"flush", ""},
                                        {"dnsblog", ""},
                                        {"tlsproxy", ""}};

// What follows the options: flags=, user=, argv= … of pipe. Options end at the first other word.
std::vector<std::string> without_options(const std::vector<std::string>& arguments) {
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at].starts_with('-') && arguments[at] != "-") {
    const std::string& option = arguments[at++];
    if (option == "--") break;
    if (option == "-o") ++at;  // its value; there is one, or reading the file had failed
  }
  return {arguments.begin() + static_cast<std::ptrdiff_t>(std::min(at, arguments.size())), arguments.end()};
}

}  // namespace

std::string ServicePlan::place() const {
  if (service.type == config::ServiceType::inet && !sockets.empty()) {
    return fmt::format("{}", sockets.front().where.port);
  }
  return sockets.empty() ? service.name : sockets.front().where.host;
}

bool Configuration::is_disabled(const config::Service& service) const {
  const std::string id = identity_of(service);
  return std::ranges::any_of(master.master_service_disable(), [&](const std::string& item) {
    return item == id || item == config::service_type_name(service.type);
  });
}

std::string Configuration::program(const std::string& command) const {
  return command.starts_with('/') ? command : fmt::format("{}/{}", paths.daemon_directory(), command);
}

// False: the service is left out, since no process is needed for what it does.
bool Configuration::translate(os::Files& files, config::Service& service) {
  const auto found = std::ranges::find(replacements, service.command, &Replacement::theirs);
  if (found == std::end(replacements) || files.stat(program(service.command))) return true;
  if (!found->ours.empty()) {
    service.command = found->ours;
    return true;
  }
  warnings_.push_back(fmt::format("service {} left out: other processes do the work of {} here", service.name,
                                  service.command));
  return false;
}

Result<std::unique_ptr<Configuration>> Configuration::load(os::Files& files,
                                                           const std::string& config_directory,
                                                           Names& names) {
  std::unique_ptr<Configuration> made(new Configuration);
  made->directory_ = config_directory;
  auto values = config::Values::load(config_directory, {{"process_name", "master", "master"}});
  if (!values) return fail(values.error());
  if (auto loaded = config::load(*values, {&made->master, &made->identity, &made->paths, &made->process,
                                           &made->logging, &made->network});
      !loaded) {
    return fail(loaded.error());
  }
  made->warnings_ = values->warnings();

  const auto master_cf = config::MasterCf::read(config_directory + "/master.cf");
  if (!master_cf) return fail(master_cf.error());
  made->warnings_.insert(made->warnings_.end(), master_cf->warnings().begin(), master_cf->warnings().end());

  const auto interfaces =
      parse_interfaces(made->network.inet_interfaces(), made->network.inet_protocols(), names);
  if (!interfaces) return fail(interfaces.error());
  for (config::Service service : master_cf->services()) {
    if (made->is_disabled(service) || !made->translate(files, service)) continue;
    auto sockets = plan_sockets(service, master_cf->path(), *interfaces, names);
    if (!sockets) return fail(sockets.error());
    for (const ServicePlan& other : made->services_) {
      for (const SocketPlan& socket : *sockets) {
        const bool taken = std::ranges::any_of(
            other.sockets, [&](const SocketPlan& theirs) { return theirs.where == socket.where; });
        if (!taken) continue;
        return fail(
            Trouble::configuration,
            fmt::format("{}: line {}: service \"{}\" listens on {} like \"{}\" in line {}", master_cf->path(),
                        service.line, service.name, socket.text(), other.service.name, other.service.line));
      }
    }
    const int limit = service.process_limit.value_or(static_cast<int>(made->process.default_process_limit()));
    std::vector<std::string> arguments = without_options(service.arguments);
    std::string id = identity_of(service);
    made->services_.push_back(
        {std::move(service), std::move(id), std::move(*sockets), limit, std::move(arguments)});
  }
  return made;
}

}  // namespace postrider::master
