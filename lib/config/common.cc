#include "lib/config/common.h"

#include <array>
#include <cerrno>

#include <unistd.h>

#include "lib/base/text.h"
#include "lib/config/catalogue.h"
#include "lib/config/install_paths.h"
#include "lib/config/own_networks.h"
#include "lib/config/values.h"

namespace postrider::config {

namespace {

constexpr std::string_view no_domain = "localdomain";

std::string machine_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

std::string value_if_set(const Values& values, std::string_view name) {
  if (!values.is_set(name)) return "";
  return values.text(name).value_or("");
}

std::string_view domain_part(std::string_view host) {
  const std::size_t dot = host.find('.');
  return dot == std::string_view::npos ? "" : host.substr(dot + 1);
}

}  // namespace

std::string Identity::host_name(const Values& values) {
  std::string name = machine_name();
  if (name.find('.') != std::string::npos) return name;
  const std::string domain = value_if_set(values, "mydomain");
  return name + "." + (domain.empty() ? std::string(no_domain) : domain);
}

std::string Identity::domain_name(const Values& values) {
  // `myhostname = mail.$mydomain` with no mydomain has no domain to offer; the machine's own name has.
  for (const std::string& host : {value_if_set(values, "myhostname"), machine_name()})
    if (const std::string_view domain = domain_part(host); !domain.empty()) return std::string(domain);
  return std::string(no_domain);
}

std::string Identity::version(const Values& /*values*/) { return release_version(); }
std::string Identity::release_date(const Values& /*values*/) { return release_day(); }

std::string Process::name(const Values& /*values*/) { return program_invocation_short_name; }
std::string Process::id(const Values& /*values*/) { return std::to_string(::getpid()); }

std::string Paths::configured(const Values& /*values*/) { return install_paths().config_directory; }
std::string Paths::queue(const Values& /*values*/) { return install_paths().queue_directory; }
std::string Paths::data(const Values& /*values*/) { return install_paths().data_directory; }
std::string Paths::daemons(const Values& /*values*/) { return install_paths().daemon_directory; }
std::string Paths::commands(const Values& /*values*/) { return install_paths().command_directory; }

std::string Network::own_networks(const Values& values) { return networks_of_this_machine(values); }

void declare_common(Catalogue& catalogue) {
  const std::string room = "common";
  catalogue.add<Identity>(room);
  catalogue.add<Process>(room);
  catalogue.add<Paths>(room);
  catalogue.add<Logging>(room);
  catalogue.add<Network>(room);
  catalogue.add<Domains>(room);
  catalogue.add<Limits>(room);
  catalogue.add<Services>(room);
  catalogue.add<Tables>(room);
}

}  // namespace postrider::config
