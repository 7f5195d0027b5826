#include "lib/config/catalogue.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/values.h"

namespace postrider::config {

namespace {

bool differ(const Setting& a, const Setting& b) {
  return a.type_name() != b.type_name() || a.fallback().manual() != b.fallback().manual() ||
         a.legal_range() != b.legal_range();
}

void list_once(std::vector<std::string>& list, const std::string& item) {
  if (std::ranges::find(list, item) == list.end()) list.push_back(item);
}

}  // namespace

void Catalogue::add(std::string room, std::unique_ptr<Section> section) {
  for (const Setting* setting : section->settings()) {
    const auto [place, is_new] = settings_.emplace(setting->name(), setting);
    if (!is_new && differ(*place->second, *setting)) list_once(conflicts_, setting->name());
  }
  for (const Family& family : section->families())
    if (std::ranges::find(families_, family.suffix, &Family::suffix) == families_.end())
      families_.push_back(family);
  members_.push_back({std::move(room), std::move(section)});
}

const Setting* Catalogue::find(std::string_view name) const {
  const auto found = settings_.find(name);
  return found == settings_.end() ? nullptr : found->second;
}

std::vector<std::string> Catalogue::rooms_of(std::string_view name) const {
  std::vector<std::string> rooms;
  for (const Member& member : members_)
    if (member.section->find(name) != nullptr) list_once(rooms, member.room);
  return rooms;
}

std::vector<const Setting*> Catalogue::settings_of(std::string_view room) const {
  std::map<std::string_view, const Setting*> by_name;
  for (const Member& member : members_)
    if (member.room == room)
      for (const Setting* setting : member.section->settings()) by_name.emplace(setting->name(), setting);
  std::vector<const Setting*> settings;
  settings.reserve(by_name.size());
  for (const auto& [name, setting] : by_name) settings.push_back(setting);
  return settings;
}

std::vector<std::string> Catalogue::rooms() const {
  std::vector<std::string> rooms;
  for (const Member& member : members_) list_once(rooms, member.room);
  return rooms;
}

void Catalogue::declare_in(Values& values) const {
  // The first of several sections with one name is the one listed, and later declarations are asked first.
  for (auto member = members_.rbegin(); member != members_.rend(); ++member) values.declare(*member->section);
}

std::vector<std::string> Catalogue::mistakes(const Values& values, std::string_view room) {
  std::vector<std::string> found;
  for (const Member& member : members_) {
    if (!room.empty() && member.room != room) continue;
    if (const Result<> loaded = member.section->load(values); !loaded)
      list_once(found, loaded.error().text());
  }
  return found;
}

}  // namespace postrider::config
