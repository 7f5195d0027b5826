#include "lib/config/values.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/config/common.h"
#include "lib/config/expand.h"
#include "lib/config/settings.h"

namespace postrider::config {

namespace {

constexpr std::string_view config_directory_name = "config_directory";

// The sections every program knows the defaults of. Made once, never changed.
const std::vector<const Section*>& common_sections() {
  static const Identity identity;
  static const Process process;
  static const Paths paths;
  static const Logging logging;
  static const Network network;
  static const Domains domains;
  static const Limits limits;
  static const Services services;
  static const Tables tables;
  static const std::vector<const Section*> all{&identity, &process, &paths,    &logging, &network,
                                               &domains,  &limits,  &services, &tables};
  return all;
}

}  // namespace

// One evaluation: each name is worked out once, so that its cost is bounded by the size of the configuration.
class Evaluation {
 public:
  Evaluation(const Values& values, const Section* first) : values_(values), first_(first) {}

  Result<std::string> expand(std::string_view text) {
    return config::expand(
        text, [this](std::string_view name) { return lookup(name); },
        [this](std::string_view name) { return is_not_empty(name); });
  }

  // For `${name?…}`. As in Postfix a name of the administrator's own counts by what is written, before
  // expansion; so does a parameter while it is being worked out, which may thus ask for itself.
  Result<bool> is_not_empty(std::string_view name) {
    if (values_.declared(name, first_) == nullptr || std::ranges::find(open_, name) != open_.end())
      return !values_.raw_in(name, first_).value_or("").empty();
    const Result<std::optional<std::string>> value = lookup(name);
    if (!value) return fail(value.error());
    return *value && !(*value)->empty();
  }

  Result<std::optional<std::string>> lookup(std::string_view name) {
    if (const auto known = known_.find(name); known != known_.end()) return known->second;
    const Setting* declared = values_.declared(name, first_);
    const std::optional<std::string> raw = values_.raw_in(name, first_);
    if (!raw) return std::nullopt;
    const bool literal =
        declared != nullptr && declared->fallback().computed() && values_.is_default(name, declared);
    if (literal) return remember(name, *raw);
    if (std::ranges::find(open_, name) != open_.end() || open_.size() >= max_depth)
      return fail(Trouble::configuration,
                  fmt::format("{}: {} refers to itself", values_.origin(name), printable(name)));
    open_.emplace_back(name);
    Result<std::string> value = expand(*raw);
    open_.pop_back();
    if (!value) return fail(std::move(value).error());
    return remember(name, *value);
  }

 private:
  static constexpr std::size_t max_depth = 100;

  std::optional<std::string> remember(std::string_view name, const std::string& value) {
    known_.emplace(std::string(name), value);
    return value;
  }

  const Values& values_;
  const Section* first_;
  StringMap<std::string> known_;
  std::vector<std::string> open_;  // the names being worked out, outermost first
};

Result<Values> Values::load(const std::string& config_directory, std::vector<Override> overrides) {
  Result<MainCf> main_cf = MainCf::read(config_directory + "/main.cf");
  if (!main_cf) return fail(std::move(main_cf).error());
  return of(std::move(*main_cf), config_directory, std::move(overrides));
}

Values Values::of(MainCf main_cf, std::string config_directory, std::vector<Override> overrides) {
  Values values;
  values.main_cf_ = std::move(main_cf);
  values.config_directory_ = std::move(config_directory);
  values.overrides_ = std::move(overrides);
  values.sections_ = common_sections();
  return values;
}

Values Values::of_text(std::string_view main_cf) {
  Result<MainCf> parsed = MainCf::parse(main_cf, "main.cf");
  if (!parsed) std::abort();
  return of(std::move(*parsed), "/etc/postrider");
}

void Values::declare(const Section& section) {
  if (std::ranges::find(sections_, &section) == sections_.end()) sections_.push_back(&section);
}

const Override* Values::override_of(std::string_view name) const {
  const auto found = std::find_if(overrides_.rbegin(), overrides_.rend(),
                                  [&](const Override& candidate) { return candidate.name == name; });
  return found == overrides_.rend() ? nullptr : &*found;
}

const Setting* Values::declared(std::string_view name, const Section* first) const {
  if (first != nullptr)
    if (const Setting* setting = first->find(name)) return setting;
  // The section declared last knows best: a program's own default over the common one.
  for (auto section = sections_.rbegin(); section != sections_.rend(); ++section)
    if (const Setting* setting = (*section)->find(name)) return setting;
  return nullptr;
}

std::optional<std::string> Values::set_text(std::string_view name) const {
  if (name == config_directory_name) return config_directory_;
  if (const Override* chosen = override_of(name)) return chosen->value;
  if (const MainCfEntry* entry = main_cf_.find(name)) return entry->value;
  return std::nullopt;
}

std::optional<std::string> Values::raw_in(std::string_view name, const Section* first) const {
  if (std::optional<std::string> text = set_text(name)) return text;
  const Setting* setting = declared(name, first);
  if (setting == nullptr) return std::nullopt;
  if (!setting->legacy_name().empty())
    if (std::optional<std::string> text = set_text(setting->legacy_name())) return text;
  if (!setting->fallback().computed()) return setting->fallback().manual();
  // The function may ask for parameters that mention this one in turn; that one answers nothing then.
  if (std::ranges::find(computing_, setting) != computing_.end()) return std::nullopt;
  computing_.push_back(setting);
  std::string text = setting->fallback().text(*this);
  computing_.pop_back();
  return text;
}

std::optional<std::string> Values::raw(std::string_view name) const { return raw_in(name, nullptr); }

bool Values::is_set(std::string_view name) const {
  return override_of(name) != nullptr || main_cf_.find(name) != nullptr;
}

bool Values::is_default(std::string_view name, const Setting* setting) const {
  return !set_text(name) && (setting->legacy_name().empty() || !set_text(setting->legacy_name()));
}

std::string Values::origin(std::string_view name) const {
  if (const Override* chosen = override_of(name)) return chosen->origin;
  if (const MainCfEntry* entry = main_cf_.find(name))
    return fmt::format("{}, line {}", main_cf_.path(), entry->line);
  const Setting* setting = declared(name, nullptr);
  if (setting != nullptr && !setting->legacy_name().empty() && is_set(setting->legacy_name()))
    return origin(setting->legacy_name());
  return "default";
}

Result<std::string> Values::text_in(std::string_view name, const Section* first) const {
  const Result<std::optional<std::string>> value = Evaluation(*this, first).lookup(name);
  if (!value) return fail(value.error());
  return value->value_or("");
}

Result<std::string> Values::expand_in(std::string_view text, const Section* first) const {
  return Evaluation(*this, first).expand(text);
}

Result<std::string> Values::text(std::string_view name) const { return text_in(name, nullptr); }

Result<std::string> Values::expand(std::string_view text) const { return expand_in(text, nullptr); }

}  // namespace postrider::config
