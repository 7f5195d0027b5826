// Every parameter of every program, for prconf, the manual pages and the start-up check of names.
//
// Each room has a function `void declare_<room>(config::Catalogue&)` in namespace postrider::<room>, beside
// its configuration class, that adds the sections the room's program reads:
//
//   void declare_smtpd(config::Catalogue& catalogue) {
//     catalogue.add<SmtpdConfig>("smtpd");
//     catalogue.add<config::Identity>("smtpd");
//   }
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/config/settings.h"

namespace postrider::config {

class MasterCf;

class Catalogue {
 public:
  template <class S>
  void add(std::string room) {
    add(std::move(room), std::make_unique<S>());
  }
  void add(std::string room, std::unique_ptr<Section> section);

  // nullptr for a name that no section declares.
  const Setting* find(std::string_view name) const;
  // All, by name. Where two sections declare the same name the first is listed.
  const std::map<std::string, const Setting*, std::less<>>& settings() const { return settings_; }
  // The families of <service><suffix> parameters.
  const std::vector<Family>& families() const { return families_; }
  // The rooms whose programs read a parameter, and the parameters of a room by name.
  std::vector<std::string> rooms_of(std::string_view name) const;
  std::vector<const Setting*> settings_of(std::string_view room) const;
  std::vector<std::string> rooms() const;
  // Names declared twice with different type or default: a mistake in the programs; for a test.
  const std::vector<std::string>& conflicts() const { return conflicts_; }
  // Makes every default known to `values`.
  void declare_in(Values& values) const;
  // Loads every section of a room (of all rooms when empty) and tells what is wrong with the values.
  std::vector<std::string> mistakes(const Values& values, std::string_view room = "");

 private:
  struct Member {
    std::string room;
    std::unique_ptr<Section> section;
  };
  std::vector<Member> members_;
  std::map<std::string, const Setting*, std::less<>> settings_;
  std::vector<Family> families_;
  std::vector<std::string> conflicts_;
};

// One sentence, without prefix, per name that is set in main.cf or by `-o` but obeyed by no program:
// "<main.cf>: unused parameter: name=value (…)", naming the nearest parameter, or saying that the name is one
// of Postfix's that has no effect here. Names that other values mention as `$name` are the administrator's
// own.
std::vector<std::string> check_names(const Values& values, const MasterCf* master_cf,
                                     const Catalogue& catalogue);

// "known to Postfix": a parameter of Postfix that no program here may obey.
bool is_postfix_parameter(std::string_view name);

// The known name with the smallest edit distance, "" when none is near.
std::string nearest_parameter(std::string_view name, const Catalogue& catalogue);

}  // namespace postrider::config
