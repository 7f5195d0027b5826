#include "lib/config/settings.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/list.h"
#include "lib/config/values.h"

namespace postrider::config {

namespace {

std::unexpected<Error> must_be(std::string_view what) {
  return fail(Trouble::configuration, fmt::format("must be {}", what));
}

std::unexpected<Error> must_be(std::string_view type, const std::string& range) {
  return must_be(range.empty() ? std::string(type) : fmt::format("{}, {}", type, range));
}

template <class N>
std::string range_text(N min, N max, N no_maximum) {
  return max >= no_maximum ? fmt::format("at least {}", min) : fmt::format("{} to {}", min, max);
}

std::string seconds_range(const DurationLimits& limits) {
  const std::string min = duration_text(Seconds(limits.min));
  if (limits.max >= DurationLimits{}.max) return fmt::format("at least {}", min);
  return fmt::format("{} to {}", min, duration_text(Seconds(limits.max)));
}

Result<std::string> within_length(const std::string& text, const TextLimits& limits,
                                  const std::string& range) {
  if (text.size() < limits.min_length || text.size() > limits.max_length) return must_be("text", range);
  return text;
}

std::string length_range(const TextLimits& limits) {
  if (limits.min_length == 0 && limits.max_length >= TextLimits{}.max_length) return "";
  if (limits.min_length == 1 && limits.max_length >= TextLimits{}.max_length) return "not empty";
  return fmt::format("{} to {} bytes long", limits.min_length, limits.max_length);
}

}  // namespace

Setting::Setting(Section& section, std::string name, Default fallback, std::string documentation,
                 std::string legacy_name)
    : name_(std::move(name)),
      default_(std::move(fallback)),
      documentation_(std::move(documentation)),
      legacy_name_(std::move(legacy_name)) {
  section.settings_.push_back(this);
}

const Setting* Section::find(std::string_view name) const {
  const auto found = std::ranges::find(settings_, name, &Setting::name);
  return found == settings_.end() ? nullptr : *found;
}

Result<> Section::prepare(const Values& values) {
  std::string mistakes;
  for (Setting* setting : settings_) {
    const Result<std::string> text =
        setting->is_expanded() ? values.text_in(setting->name(), this)
                               : Result<std::string>(values.raw_in(setting->name(), this).value_or(""));
    const Result<> done = text ? setting->prepare(*text) : Result<>(fail(text.error()));
    if (done) continue;
    if (!mistakes.empty()) mistakes += "; ";
    mistakes += detail::bad_value(values, setting->name(), done.error()).error().text();
  }
  if (!mistakes.empty()) return fail(Trouble::configuration, std::move(mistakes));
  return {};
}

void Section::adopt() {
  for (Setting* setting : settings_) setting->adopt();
}

Result<> Section::load(const Values& values) {
  if (Result<> done = prepare(values); !done) return done;
  adopt();
  return {};
}

Result<> load(Values& values, const std::vector<Section*>& sections) {
  for (const Section* section : sections) values.declare(*section);
  std::string mistakes;
  for (Section* section : sections) {
    const Result<> done = section->prepare(values);
    if (done) continue;
    if (!mistakes.empty()) mistakes += "; ";
    mistakes += done.error().text();
  }
  if (!mistakes.empty()) return fail(Trouble::configuration, std::move(mistakes));
  for (Section* section : sections) section->adopt();
  return {};
}

Text::Text(Section& section, const char* name, Default fallback, TextLimits limits, const char* documentation)
    : TypedSetting(section, name, std::move(fallback), documentation, limits.legacy), limits_(limits) {}

Result<std::string> Text::parse(const std::string& text) const {
  return within_length(text, limits_, legal_range());
}

std::string Text::legal_range() const { return length_range(limits_); }

RawText::RawText(Section& section, const char* name, Default fallback, TextLimits limits,
                 const char* documentation)
    : TypedSetting(section, name, std::move(fallback), documentation, limits.legacy), limits_(limits) {}

Result<std::string> RawText::parse(const std::string& text) const {
  return within_length(text, limits_, legal_range());
}

std::string RawText::legal_range() const { return length_range(limits_); }

Integer::Integer(Section& section, const char* name, Default fallback, IntegerLimits limits,
                 const char* documentation)
    : TypedSetting(section, name, std::move(fallback), documentation, limits.legacy), limits_(limits) {}

Result<std::int64_t> Integer::parse(const std::string& text) const {
  const std::optional<std::int64_t> number = parse_number<std::int64_t>(text);
  if (!number || *number < limits_.min || *number > limits_.max) return must_be("a number", legal_range());
  return *number;
}

std::string Integer::legal_range() const { return range_text(limits_.min, limits_.max, IntegerLimits{}.max); }

Bytes::Bytes(Section& section, const char* name, Default fallback, BytesLimits limits,
             const char* documentation)
    : TypedSetting(section, name, std::move(fallback), documentation, limits.legacy), limits_(limits) {}

Result<std::int64_t> Bytes::parse(const std::string& text) const {
  const std::optional<std::int64_t> number = parse_bytes(text);
  if (!number || *number < limits_.min || *number > limits_.max)
    return must_be("a number of bytes", legal_range());
  return *number;
}

std::string Bytes::legal_range() const { return range_text(limits_.min, limits_.max, BytesLimits{}.max); }

Duration::Duration(Section& section, const char* name, Default fallback, DurationLimits limits,
                   const char* documentation)
    : TypedSetting(section, name, std::move(fallback), documentation, limits.legacy), limits_(limits) {}

Result<Seconds> Duration::parse(const std::string& text) const {
  const std::optional<Seconds> duration = parse_duration(text, limits_.unit);
  if (!duration || duration->count() < limits_.min || duration->count() > limits_.max)
    return must_be("a time with one of the units s m h d w", legal_range());
  return *duration;
}

std::string Duration::legal_range() const { return seconds_range(limits_); }

FineDuration::FineDuration(Section& section, const char* name, Default fallback, DurationLimits limits,
                           const char* documentation)
    : TypedSetting(section, name, std::move(fallback), documentation, limits.legacy), limits_(limits) {}

Result<Milliseconds> FineDuration::parse(const std::string& text) const {
  const std::optional<Milliseconds> duration = parse_fine_duration(text, limits_.unit);
  if (!duration || *duration < Seconds(limits_.min) || duration->count() / 1000 > limits_.max)
    return must_be("a time with one of the units ms s m h d w", legal_range());
  return *duration;
}

std::string FineDuration::legal_range() const { return seconds_range(limits_); }

Boolean::Boolean(Section& section, const char* name, Default fallback, const char* documentation,
                 const char* legacy)
    : TypedSetting(section, name, std::move(fallback), documentation, legacy) {}

Result<bool> Boolean::parse(const std::string& text) const {
  const std::optional<bool> truth = parse_boolean(text);
  if (!truth) return must_be(legal_range());
  return *truth;
}

List::List(Section& section, const char* name, Default fallback, ListLimits limits, const char* documentation)
    : TypedSetting(section, name, std::move(fallback), documentation, limits.legacy), limits_(limits) {}

Result<std::vector<std::string>> List::parse(const std::string& text) const {
  Result<std::vector<std::string>> items = split_list(text);
  if (items && items->size() > limits_.max_items)
    return must_be(fmt::format("a list of at most {} items", limits_.max_items));
  return items;
}

namespace detail {

Result<std::optional<std::string>> text_if_known(const Values& values, std::string_view name) {
  if (!values.raw(name)) return std::nullopt;
  Result<std::string> text = values.text(name);
  if (!text) return fail(std::move(text).error());
  return std::optional<std::string>(std::move(*text));
}

std::unexpected<Error> bad_value(const Values& values, std::string_view name, const Error& error) {
  constexpr std::size_t shown = 100;
  const std::string raw = values.raw(name).value_or("");
  const Result<std::string> expanded = values.text(name);
  std::string value = printable(raw.substr(0, shown));
  if (expanded && *expanded != raw) value += fmt::format(" ({})", printable(expanded->substr(0, shown)));
  return fail(Trouble::configuration,
              fmt::format("{}: {} = {}: {}", values.origin(name), name, value, error.text()));
}

std::unexpected<Error> not_a_word(const std::string& range) { return must_be(range); }

bool same_word(std::string_view a, std::string_view b) { return iequals(a, b); }

}  // namespace detail

}  // namespace postrider::config
