#include "lib/config/master_cf.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/logical_lines.h"

namespace postrider::config {

namespace {

constexpr std::array<std::pair<std::string_view, ServiceType>, 5> types{
    {{"inet", ServiceType::inet},
     {"unix", ServiceType::unix_stream},
     {"unix-dgram", ServiceType::unix_datagram},
     {"fifo", ServiceType::fifo},
     {"pass", ServiceType::pass}}};
constexpr std::array<const char*, 8> field_names{"name",   "type",   "private",       "unprivileged",
                                                 "chroot", "wakeup", "process_limit", "command"};

std::string shown(std::string_view text) {
  constexpr std::size_t limit = 100;
  return printable(text.substr(0, limit));
}

std::unexpected<Error> mistake(std::string_view what, std::string_view where) {
  return fail(Trouble::configuration, fmt::format("{} in \"{}\"", what, shown(where)));
}

// Words between white space; `{ … }` is one word without its braces and the white space inside them.
Result<std::vector<std::string>> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at == line.size()) return words;
    const std::size_t start = at;
    if (line[at] != '{') {
      // Braces inside a word (`argv=${recipient}`, `a={b c}`) hold it together and stay.
      int depth = 0;
      bool balanced = true;
      for (; at < line.size() && (depth > 0 || !is_space(line[at])); ++at) {
        if (line[at] == '{') ++depth;
        if (line[at] == '}' && depth == 0) balanced = false;
        if (line[at] == '}' && depth > 0) --depth;
      }
      const std::string_view word = line.substr(start, at - start);
      if (depth > 0) return mistake("missing '}'", word);
      // A stray brace is harmless in a word that can be printed without braces around it.
      if (!balanced && (word.front() == '#' || std::ranges::any_of(word, is_space)))
        return mistake("'}' without '{'", word);
      words.emplace_back(word);
      continue;
    }
    int depth = 0;
    for (; at < line.size(); ++at) {
      if (line[at] == '{') ++depth;
      if (line[at] == '}' && --depth == 0) break;
    }
    if (at == line.size()) return mistake("missing '}'", line.substr(start));
    words.emplace_back(trim(line.substr(start + 1, at - start - 1)));
    ++at;
    if (at < line.size() && !is_space(line[at])) return mistake("syntax error after '}'", line.substr(start));
  }
}

std::optional<bool> yes_or_no(std::string_view field) {
  if (field == "y") return true;
  if (field == "n") return false;
  return std::nullopt;
}

std::optional<int> count(std::string_view field) {
  const std::optional<int> number = parse_number<int>(field);
  return number && *number >= 0 ? number : std::nullopt;
}

// Reads the seven typed fields; the index of the first bad one, or nullopt.
std::optional<std::size_t> read_fields(Service& service) {
  const std::vector<std::string>& fields = service.fields;
  service.name = fields[0];
  if (service.name.empty() || service.name.front() == '{' || service.name.front() == '#' ||
      std::ranges::any_of(service.name, is_space))
    return 0;
  const auto* const type =
      std::ranges::find(types, std::string_view(fields[1]), &std::pair<std::string_view, ServiceType>::first);
  if (type == types.end()) return 1;
  service.type = type->second;
  const std::array<bool, 3> defaults{true, true, false};
  std::array<bool, 3> flags{};
  for (std::size_t i = 0; i < flags.size(); ++i) {
    const std::string& field = fields[i + 2];
    const std::optional<bool> flag = field == "-" ? defaults[i] : yes_or_no(field);
    if (!flag) return i + 2;
    flags[i] = *flag;
  }
  service.is_private = flags[0] && service.type != ServiceType::inet;
  service.unprivileged = flags[1];
  if (fields[4] != "-") service.chroot = flags[2];
  if (fields[5] != "-") {
    std::string_view wakeup = fields[5];
    service.wakeup_after_use = wakeup.ends_with('?');
    if (service.wakeup_after_use) wakeup.remove_suffix(1);
    const std::optional<int> seconds = count(wakeup);
    if (!seconds) return 5;
    service.wakeup = Seconds(*seconds);
  }
  if (fields[6] != "-") {
    service.process_limit = count(fields[6]);
    if (!service.process_limit) return 6;
  }
  service.command = fields[7];
  if (service.command.empty()) return 7;
  return std::nullopt;
}

// Counts -v and -D among the options in front of the arguments.
void read_switches(Service& service) {
  for (std::size_t i = 0; i < service.arguments.size(); ++i) {
    const std::string_view argument = service.arguments[i];
    if (argument == "-o") {
      ++i;
      continue;
    }
    if (!argument.starts_with('-') || argument.starts_with("-o")) {
      if (argument.starts_with('-')) continue;
      return;
    }
    service.verbosity += static_cast<int>(std::ranges::count(argument, 'v'));
    if (argument.find('D') != std::string_view::npos) service.debugger = true;
  }
}

Result<Service> read_service(const LogicalLine& line, const std::string& path) {
  const std::string place = fmt::format("{}, line {}", path, line.first);
  Result<std::vector<std::string>> words = words_of(line.text);
  if (!words) return fail(words.error().within(place));
  if (words->size() < field_names.size())
    return fail(Trouble::configuration, fmt::format("{}: bad field count: {} is missing in \"{}\"", place,
                                                    field_names[words->size()], shown(line.text)));
  Service service;
  service.line = line.first;
  service.last_line = line.last;
  const auto arguments = words->begin() + static_cast<std::ptrdiff_t>(field_names.size());
  service.fields.assign(words->begin(), arguments);
  service.arguments.assign(arguments, words->end());
  if (const std::optional<std::size_t> bad = read_fields(service))
    return fail(Trouble::configuration,
                fmt::format("{}: invalid {} field \"{}\" in \"{}\"", place, field_names[*bad],
                            shown(service.fields[*bad]), shown(line.text)));
  read_switches(service);
  Result<std::vector<Override>> overrides = parse_overrides(service.arguments, place);
  if (!overrides) return fail(std::move(overrides).error());
  service.overrides = std::move(*overrides);
  return service;
}

}  // namespace

std::string_view service_type_name(ServiceType type) {
  return std::ranges::find(types, type, &std::pair<std::string_view, ServiceType>::second)->first;
}

Result<std::vector<Override>> parse_overrides(const std::vector<std::string>& arguments,
                                              const std::string& origin) {
  std::vector<Override> overrides;
  for (std::size_t i = 0; i < arguments.size() && arguments[i].starts_with('-'); ++i) {
    if (arguments[i] == "--") break;
    if (!arguments[i].starts_with("-o")) continue;
    std::string_view text = std::string_view(arguments[i]).substr(2);
    if (text.empty()) {
      if (++i == arguments.size())
        return fail(Trouble::configuration, fmt::format("{}: -o wants name=value", origin));
      text = arguments[i];
    }
    const std::size_t equals = text.find('=');
    const std::string_view name = trim(text.substr(0, equals));
    if (equals == std::string_view::npos || name.empty() || std::ranges::any_of(name, is_space))
      return fail(Trouble::configuration,
                  fmt::format("{}: -o wants name=value, not \"{}\"", origin, shown(text)));
    overrides.push_back({std::string(name), std::string(trim(text.substr(equals + 1))), origin});
  }
  return overrides;
}

Result<MasterCf> MasterCf::read(const std::string& path) {
  const Result<std::string> text = read_configuration(path);
  if (!text) return fail(text.error());
  return parse(*text, path);
}

Result<MasterCf> MasterCf::parse(std::string_view text, std::string path) {
  MasterCf master_cf;
  master_cf.path_ = std::move(path);
  Result<std::vector<LogicalLine>> lines = logical_lines(text, master_cf.path_, master_cf.warnings_);
  if (!lines) return fail(std::move(lines).error());
  for (const LogicalLine& line : *lines) {
    Result<Service> service = read_service(line, master_cf.path_);
    if (!service) return fail(std::move(service).error());
    master_cf.entries_.push_back(std::move(*service));
  }
  std::set<std::pair<std::string_view, ServiceType>> later;
  std::vector<const Service*> in_force;
  std::vector<std::string> duplicates;
  for (auto entry = master_cf.entries_.rbegin(); entry != master_cf.entries_.rend(); ++entry) {
    if (later.emplace(entry->name, entry->type).second) {
      in_force.push_back(&*entry);
    } else {
      duplicates.push_back(fmt::format(
          "{}, line {}: duplicate master.cf entry for service \"{}\" ({}) -- using the last entry",
          master_cf.path_, entry->line, shown(entry->name), service_type_name(entry->type)));
    }
  }
  for (auto entry = in_force.rbegin(); entry != in_force.rend(); ++entry)
    master_cf.services_.push_back(**entry);
  master_cf.warnings_.insert(master_cf.warnings_.end(), duplicates.rbegin(), duplicates.rend());
  return master_cf;
}

const Service* MasterCf::find(std::string_view name, std::string_view type) const {
  for (const Service& service : services_)
    if (service.name == name && (type.empty() || service_type_name(service.type) == type)) return &service;
  return nullptr;
}

}  // namespace postrider::config
