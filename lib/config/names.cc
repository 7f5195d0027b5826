#include "lib/config/names.h"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/expand.h"
#include "lib/config/list.h"

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

Names::Names(const Values& values, const MasterCf* master_cf, const Catalogue& catalogue)
    : values_(values), master_cf_(master_cf), catalogue_(catalogue) {
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
    for (const std::string& argument : service.arguments) mention(argument);
    for (const Family& family : catalogue.families())
      if (std::ranges::find(family.programs, service.command) != family.programs.end() &&
          service.type == ServiceType::unix_stream && catalogue.find(service.name + family.suffix) == nullptr)
        services_.emplace(service.name + family.suffix, family.fallback);
  }
}

void Names::mention(std::string_view text) {
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

bool Names::is_builtin(std::string_view name) const {
  return catalogue_.find(name) != nullptr || is_postfix_parameter(name);
}

const Setting* Names::of_service(std::string_view name) const {
  const auto found = services_.find(name);
  return found == services_.end() ? nullptr : found->second;
}

bool Names::is_users_own(std::string_view name) const {
  if (is_builtin(name) || of_service(name) != nullptr) return false;
  return mentioned_.contains(name) || std::ranges::any_of(tables_, [&](const std::string& table) {
           return name.size() > table.size() && name.starts_with(table) && name[table.size()] == '_';
         });
}

bool Names::is_obeyed(std::string_view name) const {
  return catalogue_.find(name) != nullptr || of_service(name) != nullptr || mentioned_.contains(name) ||
         is_users_own(name);
}

std::string Names::complaint(std::string_view path, std::string_view name, std::string_view value) const {
  constexpr std::size_t shown = 200;
  std::string text =
      fmt::format("{}: unused parameter: {}={}", path, printable(name), printable(value.substr(0, shown)));
  if (is_postfix_parameter(name)) return text + " (known to Postfix, without effect here)";
  const std::string near = nearest_parameter(name, catalogue_);
  return near.empty() ? text : fmt::format("{} (did you mean {}?)", text, near);
}

std::vector<std::string> Names::undefined() const {
  std::vector<std::string> complaints;
  std::set<std::string, std::less<>> told;
  const auto check = [&](std::string_view path, std::string_view name, std::string_view text,
                         const std::vector<Override>& own) {
    const Setting* setting = catalogue_.find(name);
    // What a program expands by itself has names of its own: mailbox_command has $user.
    if (setting == nullptr ? is_postfix_parameter(name) : !setting->is_expanded()) return;
    for (const std::string& mentioned : mentioned_names(text, true)) {
      if (values_.is_set(mentioned) || is_builtin(mentioned) || of_service(mentioned) != nullptr ||
          std::ranges::find(own, mentioned, &Override::name) != own.end() || !told.insert(mentioned).second)
        continue;
      complaints.push_back(fmt::format("{}: undefined parameter: {}", path, mentioned));
    }
  };
  for (const MainCfEntry& entry : values_.main_cf().entries())
    if (values_.main_cf().find(entry.name) == &entry)
      check(values_.main_cf().path(), entry.name, entry.value, {});
  if (master_cf_ == nullptr) return complaints;
  for (const Service& service : master_cf_->services())
    for (const Override& one : service.overrides)
      check(master_cf_->path(), one.name, one.value, service.overrides);
  return complaints;
}

std::vector<std::string> Names::unused_in_main_cf() const {
  std::vector<std::string> complaints;
  for (const MainCfEntry& entry : values_.main_cf().entries())
    if (values_.main_cf().find(entry.name) == &entry && !is_obeyed(entry.name))
      complaints.push_back(complaint(values_.main_cf().path(), entry.name, entry.value));
  return complaints;
}

std::vector<std::string> Names::unused_in_master_cf() const {
  std::vector<std::string> complaints;
  if (master_cf_ == nullptr) return complaints;
  for (const Service& service : master_cf_->services())
    for (const Override& one : service.overrides)
      if (!is_obeyed(one.name)) complaints.push_back(complaint(master_cf_->path(), one.name, one.value));
  return complaints;
}

std::vector<std::string> check_names(const Values& values, const MasterCf* master_cf,
                                     const Catalogue& catalogue) {
  const Names names(values, master_cf, catalogue);
  std::vector<std::string> complaints = names.unused_in_main_cf();
  for (std::string& one : names.unused_in_master_cf()) complaints.push_back(std::move(one));
  return complaints;
}

}  // namespace postrider::config
