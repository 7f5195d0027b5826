// Whose every parameter name is: a program's, a service's, or the administrator's own.
//
// For prconf and the start-up check. Everything is worked out when it is made; the objects it was made from
// must outlive it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/config/catalogue.h"
#include "lib/config/master_cf.h"
#include "lib/config/values.h"

namespace postrider::config {

class Names {
 public:
  // `master_cf` may be absent.
  Names(const Values& values, const MasterCf* master_cf, const Catalogue& catalogue);

  // Declared by a program, or a parameter of Postfix.
  bool is_builtin(std::string_view name) const;
  // <service><suffix> for a service in master.cf; the setting it falls back on, or nullptr.
  const Setting* of_service(std::string_view name) const;
  // Mentioned as `$name` somewhere, a restriction class, or a setting of a table such as ldap:name.
  bool is_users_own(std::string_view name) const;

  // Every parameter that the services in master.cf may have for themselves.
  const std::map<std::string, const Setting*, std::less<>>& service_parameters() const { return services_; }

  // "<file>: undefined parameter: name" for each name that is mentioned but stands for nothing.
  std::vector<std::string> undefined() const;
  // "<file>: unused parameter: name=value (…)" for each name that is set but obeyed by nobody, with what was
  // probably meant; those of main.cf and those of master.cf.
  std::vector<std::string> unused_in_main_cf() const;
  std::vector<std::string> unused_in_master_cf() const;

 private:
  void mention(std::string_view text);
  bool is_obeyed(std::string_view name) const;
  std::string complaint(std::string_view path, std::string_view name, std::string_view value) const;

  const Values& values_;
  const MasterCf* master_cf_;
  const Catalogue& catalogue_;
  std::set<std::string, std::less<>> mentioned_;
  std::set<std::string, std::less<>> tables_;
  std::map<std::string, const Setting*, std::less<>> services_;
};

}  // namespace postrider::config
