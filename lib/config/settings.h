// Parameters, each declared once in the section of the program that obeys it; the value, the check, the
// listing of prconf and the manual page all come from that declaration.
//
//   struct SmtpdConfig : config::Section {
//     config::Duration timeout{*this, "smtpd_timeout", "${stress?{10}:{300}}s", {.unit = 's', .min = 1},
//                              "How long to wait for the client's next line."};
//   };
//   SmtpdConfig cfg;
//   if (auto loaded = cfg.load(values); !loaded) …;   // text names file, line, parameter, value, legal range
//   cfg.timeout()                                     // Seconds
//
// A section neither copies nor moves: its settings are found by address. Loading again (reload) replaces all
// values or, on error, none. Not thread-safe while loading; afterwards read-only.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"

namespace postrider::config {

class Section;
class Values;

// A default: main.cf text that may mention other parameters, or a function for what only the running machine
// knows (myhostname). A function's text is not expanded again.
class Default {
 public:
  using Function = std::string (*)(const Values&);
  Default(const char* text) : text_(text) {}             // NOLINT: implicit on purpose
  Default(std::string text) : text_(std::move(text)) {}  // NOLINT
  Default(Function function, const char* manual) : text_(manual), function_(function) {}
  // What the manual page says; for a text default the text itself.
  const std::string& manual() const { return text_; }
  bool computed() const { return function_ != nullptr; }
  std::string text(const Values& values) const { return function_ ? function_(values) : text_; }

 private:
  std::string text_;
  Function function_ = nullptr;
};

class Setting {
 public:
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;
  virtual ~Setting() = default;

  const std::string& name() const { return name_; }
  const Default& fallback() const { return default_; }
  const std::string& documentation() const { return documentation_; }
  // An older name, obeyed where the present one is not set; "" if there is none.
  const std::string& legacy_name() const { return legacy_name_; }
  virtual std::string type_name() const = 0;    // "duration", "integer", …
  virtual std::string legal_range() const = 0;  // "1s to 1w"; "" when everything is legal
  virtual bool is_expanded() const { return true; }
  // Whether `text` (expanded) would be a legal value; the error says what is.
  virtual Result<> check(const std::string& text) const = 0;

 protected:
  Setting(Section& section, std::string name, Default fallback, std::string documentation,
          std::string legacy_name = "");

 private:
  friend class Section;
  // Parses into a waiting place; adopt() makes it the value.
  virtual Result<> prepare(const std::string& text) = 0;
  virtual void adopt() = 0;

  std::string name_;
  Default default_;
  std::string documentation_;
  std::string legacy_name_;
};

// Everything but the meaning of the text.
template <class V>
class TypedSetting : public Setting {
 public:
  const V& operator()() const { return value_; }

  // The meaning of `text` under this setting's type and bounds. The error says what would be legal.
  virtual Result<V> parse(const std::string& text) const = 0;
  Result<> check(const std::string& text) const final {
    Result<V> parsed = parse(text);
    if (!parsed) return std::unexpected(std::move(parsed).error());
    return {};
  }

  // The value of another parameter of the same type and bounds (a per-service name such as
  // "relay_destination_concurrency_limit"), or this setting's own when that is not set.
  Result<V> instead(const Values& values, std::string_view other_name) const;

 protected:
  using Setting::Setting;

 private:
  Result<> prepare(const std::string& text) final {
    Result<V> parsed = parse(text);
    if (!parsed) return std::unexpected(std::move(parsed).error());
    next_ = std::move(*parsed);
    return {};
  }
  void adopt() final { value_ = std::move(next_); }

  V value_{};
  V next_{};
};

// A family of parameters named <service><suffix>; see PerService.
struct Family {
  std::string suffix;
  const Setting* fallback = nullptr;  // gives type, bounds and default
  std::vector<std::string> programs;  // services that run one of these have such a parameter
};

class Section {
 public:
  Section() = default;
  Section(const Section&) = delete;
  Section& operator=(const Section&) = delete;
  virtual ~Section() = default;

  // Evaluates every setting. On failure (configuration) nothing changes; the text tells of all bad ones.
  Result<> load(const Values& values);

  const std::vector<Setting*>& settings() const { return settings_; }
  // What PerService declared.
  const std::vector<Family>& families() const { return families_; }
  const Setting* find(std::string_view name) const;

 private:
  friend class Setting;
  template <class S>
  friend class PerService;
  friend Result<> load(Values& values, const std::vector<Section*>& sections);
  Result<> prepare(const Values& values);
  void adopt();

  std::vector<Setting*> settings_;
  std::vector<Family> families_;
};

// Declares all sections in `values`, then loads all or none. The sections must outlive `values`.
Result<> load(Values& values, const std::vector<Section*>& sections);

struct TextLimits {
  std::size_t min_length = 0;
  std::size_t max_length = 100'000;
  const char* legacy = "";
};

class Text final : public TypedSetting<std::string> {
 public:
  Text(Section& section, const char* name, Default fallback, TextLimits limits, const char* documentation);
  Result<std::string> parse(const std::string& text) const override;
  std::string type_name() const override { return "text"; }
  std::string legal_range() const override;

 private:
  TextLimits limits_;
};

// Text whose `$name` are expanded later, by the program itself (forward_path, mailbox_command).
class RawText final : public TypedSetting<std::string> {
 public:
  RawText(Section& section, const char* name, Default fallback, TextLimits limits, const char* documentation);
  Result<std::string> parse(const std::string& text) const override;
  std::string type_name() const override { return "text"; }
  std::string legal_range() const override;
  bool is_expanded() const override { return false; }

 private:
  TextLimits limits_;
};

struct IntegerLimits {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int32_t>::max();
  const char* legacy = "";
};

class Integer final : public TypedSetting<std::int64_t> {
 public:
  Integer(Section& section, const char* name, Default fallback, IntegerLimits limits,
          const char* documentation);
  Result<std::int64_t> parse(const std::string& text) const override;
  std::string type_name() const override { return "integer"; }
  std::string legal_range() const override;

 private:
  IntegerLimits limits_;
};

struct BytesLimits {
  std::int64_t min = 0;
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  const char* legacy = "";
};

// A size in bytes; k, m and g multiply by 1024.
class Bytes final : public TypedSetting<std::int64_t> {
 public:
  Bytes(Section& section, const char* name, Default fallback, BytesLimits limits, const char* documentation);
  Result<std::int64_t> parse(const std::string& text) const override;
  std::string type_name() const override { return "bytes"; }
  std::string legal_range() const override;

 private:
  BytesLimits limits_;
};

struct DurationLimits {
  char unit = 's';       // what a bare number means: s m h d w
  std::int64_t min = 0;  // seconds
  std::int64_t max = std::numeric_limits<std::int32_t>::max();
  const char* legacy = "";
};

// A number with one of the suffixes s m h d w.
class Duration final : public TypedSetting<Seconds> {
 public:
  Duration(Section& section, const char* name, Default fallback, DurationLimits limits,
           const char* documentation);
  Result<Seconds> parse(const std::string& text) const override;
  std::string type_name() const override { return "duration"; }
  std::string legal_range() const override;
  char unit() const { return limits_.unit; }

 private:
  DurationLimits limits_;
};

// As Duration, with the further suffix ms; for delays below a second.
class FineDuration final : public TypedSetting<Milliseconds> {
 public:
  FineDuration(Section& section, const char* name, Default fallback, DurationLimits limits,
               const char* documentation);
  Result<Milliseconds> parse(const std::string& text) const override;
  std::string type_name() const override { return "duration"; }
  std::string legal_range() const override;

 private:
  DurationLimits limits_;
};

// yes or no, in any case.
class Boolean final : public TypedSetting<bool> {
 public:
  Boolean(Section& section, const char* name, Default fallback, const char* documentation,
          const char* legacy = "");
  Result<bool> parse(const std::string& text) const override;
  std::string type_name() const override { return "boolean"; }
  std::string legal_range() const override { return "yes or no"; }
};

struct ListLimits {
  std::size_t max_items = 100'000;
  const char* legacy = "";
};

// Items between commas and white space; `{ … }` keeps one item together and stays part of it. See list.h.
class List final : public TypedSetting<std::vector<std::string>> {
 public:
  List(Section& section, const char* name, Default fallback, ListLimits limits, const char* documentation);
  Result<std::vector<std::string>> parse(const std::string& text) const override;
  std::string type_name() const override { return "list"; }
  std::string legal_range() const override { return ""; }

 private:
  ListLimits limits_;
};

// One word of a fixed set, any case, as the C++ enum E:
//   config::Enum<TlsLevel> level{*this, "smtpd_tls_security_level", "may", {{"none", TlsLevel::none}, …},
//   "…"};
template <class E>
class Enum final : public TypedSetting<E> {
 public:
  using Words = std::vector<std::pair<std::string, E>>;
  Enum(Section& section, const char* name, Default fallback, Words words, const char* documentation,
       const char* legacy = "")
      : TypedSetting<E>(section, name, std::move(fallback), documentation, legacy),
        words_(std::move(words)) {}
  Result<E> parse(const std::string& text) const override;
  std::string type_name() const override { return "word"; }
  std::string legal_range() const override;

 private:
  Words words_;
};

// A family of parameters named <service><suffix>, e.g. "_destination_concurrency_limit":
//   config::PerService<config::Integer> limit{*this, "_destination_concurrency_limit", default_limit};
//   cfg.limit.of(values, "relay")
// The family has the type, bounds and value of the setting it falls back on, and belongs to services that run
// a delivery agent or one of the programs given.
template <class S>
class PerService {
 public:
  PerService(Section& section, const char* suffix, const S& fallback,
             std::vector<std::string> programs = {"local", "virtual", "pipe", "smtp", "lmtp", "error",
                                                  "discard"})
      : suffix_(suffix), fallback_(fallback) {
    section.families_.push_back({suffix_, &fallback, std::move(programs)});
  }
  auto of(const Values& values, std::string_view service) const {
    return fallback_.instead(values, std::string(service) + suffix_);
  }
  const std::string& suffix() const { return suffix_; }

 private:
  std::string suffix_;
  const S& fallback_;
};

// Used by the templates above.
namespace detail {
// The expanded text of a set or declared parameter; nullopt if neither.
Result<std::optional<std::string>> text_if_known(const Values& values, std::string_view name);
std::unexpected<Error> bad_value(const Values& values, std::string_view name, const Error& error);
std::unexpected<Error> not_a_word(const std::string& range);
bool same_word(std::string_view a, std::string_view b);
}  // namespace detail

template <class V>
Result<V> TypedSetting<V>::instead(const Values& values, std::string_view other_name) const {
  Result<std::optional<std::string>> text = detail::text_if_known(values, other_name);
  if (!text) return std::unexpected(std::move(text).error());
  if (!*text) return value_;
  Result<V> parsed = parse(**text);
  if (!parsed) return detail::bad_value(values, other_name, parsed.error());
  return parsed;
}

template <class E>
Result<E> Enum<E>::parse(const std::string& text) const {
  for (const auto& [word, value] : words_)
    if (detail::same_word(word, text)) return value;
  return detail::not_a_word(legal_range());
}

template <class E>
std::string Enum<E>::legal_range() const {
  std::string range;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (i > 0) range += i + 1 == words_.size() ? " or " : ", ";
    range += words_[i].first;
  }
  return range;
}

}  // namespace postrider::config
