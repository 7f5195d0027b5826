// What every parameter name stands for in one process: command line and master.cf `-o` over main.cf over the
// declared default, expanded when asked.
//
// Made once at start (and again at reload) by lib/daemon or a tool, handed to the sections, and usually
// dropped when they are loaded. Everything in it is text; types belong to the settings.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/config/main_cf.h"
#include "lib/config/master_cf.h"

namespace postrider::config {

class Section;
class Setting;

class Values {
 public:
  // Reads <config_directory>/main.cf. Later overrides win. The parameter config_directory has the value given
  // here, whatever main.cf says; process_name and the like come as overrides from the skeleton.
  static Result<Values> load(const std::string& config_directory, std::vector<Override> overrides = {});
  static Values of(MainCf main_cf, std::string config_directory, std::vector<Override> overrides = {});
  // For tests: the text of a main.cf. Aborts on a syntax error.
  static Values of_text(std::string_view main_cf);

  // Makes the defaults of a section known, so that `$name` of it resolves in other sections' values. Those of
  // lib/config/common.h always are. The section must outlive this object.
  void declare(const Section& section);

  // The text in force before expansion; nullopt for a name neither set nor declared.
  std::optional<std::string> raw(std::string_view name) const;
  // Set in main.cf or by an override, even to nothing.
  bool is_set(std::string_view name) const;
  // "/etc/postrider/main.cf, line 7", the origin of an override, or "default".
  std::string origin(std::string_view name) const;

  // The value, fully expanded; empty for an unknown name. configuration: malformed, or refers to itself.
  Result<std::string> text(std::string_view name) const;
  // Any text with `$name` in it, expanded.
  Result<std::string> expand(std::string_view text) const;

  const MainCf& main_cf() const { return main_cf_; }
  const std::string& config_directory() const { return config_directory_; }
  // What reading the file complained about; to be logged once as warnings.
  const std::vector<std::string>& warnings() const { return main_cf_.warnings(); }

  // For sections while they load: `first` is asked for defaults before the declared ones; nullptr for none.
  std::optional<std::string> raw_in(std::string_view name, const Section* first) const;
  Result<std::string> text_in(std::string_view name, const Section* first) const;
  Result<std::string> expand_in(std::string_view text, const Section* first) const;

 private:
  friend class Evaluation;
  Values() = default;
  const Override* override_of(std::string_view name) const;
  const Setting* declared(std::string_view name, const Section* first) const;
  std::optional<std::string> set_text(std::string_view name) const;
  bool is_default(std::string_view name, const Setting* setting) const;

  MainCf main_cf_;
  std::string config_directory_;
  std::vector<Override> overrides_;
  std::vector<const Section*> sections_;
  mutable std::vector<const Setting*> computing_;  // defaults being computed, outermost first
};

}  // namespace postrider::config
