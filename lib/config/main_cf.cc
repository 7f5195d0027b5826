#include "lib/config/main_cf.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/config/logical_lines.h"

namespace postrider::config {

namespace {

struct NameAndValue {
  std::string_view name;
  std::string_view value;
  const char* mistake = nullptr;
};

NameAndValue take_apart(std::string_view line) {
  const std::size_t equals = line.find('=');
  const std::string_view name = trim(line.substr(0, equals));
  if (name.empty()) return {{}, {}, "missing attribute name"};
  if (equals == std::string_view::npos || std::ranges::any_of(name, is_space))
    return {{}, {}, "missing '=' after attribute name"};
  return {name, trim(line.substr(equals + 1)), nullptr};
}

}  // namespace

bool is_parameter_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return is_alnum(c) || c == '_'; });
}

Result<MainCf> MainCf::read(const std::string& path) {
  const Result<std::string> text = read_configuration(path);
  if (!text) return fail(text.error());
  return parse(*text, path);
}

Result<MainCf> MainCf::parse(std::string_view text, std::string path) {
  MainCf main_cf;
  main_cf.path_ = std::move(path);
  Result<std::vector<LogicalLine>> lines = logical_lines(text, main_cf.path_, main_cf.warnings_);
  if (!lines) return fail(std::move(lines).error());
  for (const LogicalLine& line : *lines) {
    const NameAndValue parts = take_apart(line.text);
    if (parts.mistake != nullptr) {
      constexpr std::size_t shown = 100;
      return fail(Trouble::configuration, fmt::format("{}, line {}: {}: \"{}\"", main_cf.path_, line.first,
                                                      parts.mistake, printable(line.text.substr(0, shown))));
    }
    if (const MainCfEntry* earlier = main_cf.find(parts.name))
      main_cf.warnings_.push_back(fmt::format("{}, line {}: overriding earlier entry: {}={}", main_cf.path_,
                                              line.first, earlier->name, earlier->value));
    main_cf.last_[std::string(parts.name)] = main_cf.entries_.size();
    main_cf.entries_.push_back({std::string(parts.name), std::string(parts.value), line.first, line.last});
  }
  return main_cf;
}

const MainCfEntry* MainCf::find(std::string_view name) const {
  const auto found = last_.find(name);
  return found == last_.end() ? nullptr : &entries_[found->second];
}

}  // namespace postrider::config
