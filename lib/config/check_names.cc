// Which names in main.cf and master.cf nobody obeys, and what was probably meant.

#include <algorithm>
#include <array>
#include <set>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/catalogue.h"
#include "lib/config/expand.h"
#include "lib/config/list.h"
#include "lib/config/values.h"

namespace postrider::config {

namespace {

constexpr std::array postfix_parameters = std::to_array<std::string_view>({
#include "lib/config/postfix_parameters.inc"
});

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// Everything by which a name can be known without being a parameter of a program.
class Known {
 public:
  Known(const Values& values, const MasterCf* master_cf, const Catalogue& catalogue) : catalogue_(catalogue) {
    for (const MainCfEntry& entry : values.main_cf().entries()) mention(entry.value);
    for (const auto& [name, setting] : catalogue.settings()) {
      if (!setting->fallback().computed()) mention(setting->fallback().manual());
      if (!setting->legacy_name().empty()) mentioned_.insert(setting->legacy_name());
    }
    const Result<std::string> classes = values.text("smtpd_restriction_classes");
    if (classes)
      for (std::string& name : split_list(*classes).value_or(std::vector<std::string>{}))
        mentioned_.insert(std::move(name));
    if (master_cf == nullptr) return;
    for (const Service& service : master_cf->services()) {
      services_.insert(service.name);
      for (const std::string& argument : service.arguments) mention(argument);
    }
  }

  bool contains(std::string_view name) const {
    return catalogue_.find(name) != nullptr || mentioned_.contains(name) || is_per_service(name) ||
           is_of_table(name);
  }

 private:
  void mention(std::string_view text) {
    for (std::string& name : mentioned_names(text)) mentioned_.insert(std::move(name));
    // `ldap:accounts` reads accounts_server_host and its like from main.cf.
    static constexpr std::array<std::string_view, 6> types{
        "ldap:", "mysql:", "pgsql:", "sqlite:", "memcache:", "mongodb:"};
    for (const std::string_view type : types) {
      for (std::size_t at = text.find(type); at != std::string_view::npos; at = text.find(type, at + 1)) {
        const std::string_view rest = text.substr(at + type.size());
        const std::string_view table = rest.substr(0, std::min(rest.find_first_of(" \t,{}"), rest.size()));
        if (!table.empty() && table.front() != '/') tables_.insert(std::string(table));
      }
    }
  }

  bool is_per_service(std::string_view name) const {
    return std::ranges::any_of(catalogue_.per_service(), [&](const auto& family) {
      return name.ends_with(family.first) &&
             services_.contains(name.substr(0, name.size() - family.first.size()));
    });
  }

  bool is_of_table(std::string_view name) const {
    return std::ranges::any_of(tables_, [&](const std::string& table) {
      return name.size() > table.size() && name.starts_with(table) && name[table.size()] == '_';
    });
  }

  const Catalogue& catalogue_;
  std::set<std::string, std::less<>> mentioned_;
  std::set<std::string, std::less<>> services_;
  std::set<std::string, std::less<>> tables_;
};

std::string complaint(std::string_view path, std::string_view name, std::string_view value,
                      const Catalogue& catalogue) {
  constexpr std::size_t shown = 200;
  std::string text =
      fmt::format("{}: unused parameter: {}={}", path, printable(name), printable(value.substr(0, shown)));
  if (is_postfix_parameter(name)) return text + " (known to Postfix, without effect here)";
  const std::string near = nearest_parameter(name, catalogue);
  return near.empty() ? text : fmt::format("{} (did you mean {}?)", text, near);
}

}  // namespace

bool is_postfix_parameter(std::string_view name) {
  return std::binary_search(postfix_parameters.begin(), postfix_parameters.end(), name);
}

std::string nearest_parameter(std::string_view name, const Catalogue& catalogue) {
  constexpr std::size_t longest = 100;
  if (name.size() > longest) return "";
  std::string nearest;
  // A third of the letters wrong is no typing mistake.
  std::size_t best = std::min<std::size_t>(4, name.size() / 3 + 1);
  for (const auto& [candidate, setting] : catalogue.settings()) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance >= best) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

std::vector<std::string> check_names(const Values& values, const MasterCf* master_cf,
                                     const Catalogue& catalogue) {
  const Known known(values, master_cf, catalogue);
  std::vector<std::string> complaints;
  for (const MainCfEntry& entry : values.main_cf().entries())
    if (values.main_cf().find(entry.name) == &entry && !known.contains(entry.name))
      complaints.push_back(complaint(values.main_cf().path(), entry.name, entry.value, catalogue));
  if (master_cf == nullptr) return complaints;
  for (const Service& service : master_cf->services())
    for (const Override& given : service.overrides)
      if (!known.contains(given.name))
        complaints.push_back(complaint(master_cf->path(), given.name, given.value, catalogue));
  return complaints;
}

}  // namespace postrider::config
