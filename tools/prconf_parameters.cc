// main.cf: what is in force, what is the default, and changes.

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/install_paths.h"
#include "lib/config/logical_lines.h"
#include "lib/config/main_cf_editor.h"
#include "tools/prconf.h"

namespace postrider::tools {

namespace {

using config::Values;

enum class Class { builtin, service, user };

const Values& declared(const config::Catalogue& catalogue, Values& values) {
  catalogue.declare_in(values);
  return values;
}

// Selects and prints parameters of one configuration.
class Shower {
 public:
  Shower(const PrconfRequest& request, Console& console, Values values,
         std::optional<config::MasterCf> master_cf)
      : request_(request),
        console_(console),
        catalogue_(every_parameter()),
        values_(std::move(values)),
        master_cf_(std::move(master_cf)),
        names_(declared(catalogue_, values_), master_cf_ ? &*master_cf_ : nullptr, catalogue_) {}

  int run() {
    if (!request_.defaults) warn_before(request_, names_, console_);
    const bool shown = request_.arguments.empty() ? show_all() : show_named();
    if (!request_.defaults) warn_after(request_, names_, console_);
    return shown ? 0 : 1;
  }

 private:
  bool wants(Class one) const {
    static constexpr std::string_view words[] = {"builtin", "service", "user"};
    if (request_.classes.empty()) return one != Class::user || !request_.defaults;
    return std::ranges::find(request_.classes, words[static_cast<std::size_t>(one)]) !=
           request_.classes.end();
  }

  bool is_set(std::string_view name) const {
    // The directory is what -c said, which is worth showing only where it is not the usual one.
    if (name == "config_directory")
      return values_.config_directory() != config::install_paths().config_directory;
    return values_.is_set(name);
  }

  bool show_all() {
    std::vector<std::string> chosen;
    if (wants(Class::builtin)) {
      for (const auto& [name, setting] : catalogue_.settings()) chosen.push_back(name);
      for (const std::string& name : set_names())
        if (catalogue_.find(name) == nullptr && names_.is_builtin(name) && !request_.defaults)
          chosen.push_back(name);
    }
    if (wants(Class::service))
      for (const auto& [name, setting] : names_.service_parameters()) chosen.push_back(name);
    if (wants(Class::user))
      for (const std::string& name : set_names())
        if (names_.is_users_own(name)) chosen.push_back(name);
    std::ranges::sort(chosen);
    const auto repeated = std::ranges::unique(chosen);
    chosen.erase(repeated.begin(), repeated.end());
    if (request_.only_set) std::erase_if(chosen, [&](const std::string& name) { return !is_set(name); });
    return std::ranges::all_of(chosen, [&](const std::string& name) { return show(name); });
  }

  bool show_named() {
    for (const std::string& name : request_.arguments) {
      const bool user = !request_.defaults && values_.is_set(name) && names_.is_users_own(name);
      if (!user && !names_.is_builtin(name) && names_.of_service(name) == nullptr) {
        if (!request_.quiet) unknown(name);
      } else if (!request_.only_set || is_set(name)) {
        if (!show(name)) return false;
        // What is set is told of with all others.
        if (!request_.quiet && !values_.is_set(name) && catalogue_.find(name) == nullptr &&
            names_.of_service(name) == nullptr)
          console_.warning(fmt::format("{}: known to Postfix, without effect here", name));
      }
    }
    return true;
  }

  void unknown(std::string_view name) {
    const std::string near = nearest_parameter(name, catalogue_);
    console_.warning(near.empty() ? fmt::format("{}: unknown parameter", name)
                                  : fmt::format("{}: unknown parameter (did you mean {}?)", name, near));
  }

  // Every name set in main.cf or with -o.
  std::vector<std::string> set_names() const {
    std::vector<std::string> all;
    for (const config::MainCfEntry& entry : values_.main_cf().entries()) all.push_back(entry.name);
    for (const config::Override& given : request_.overrides) all.push_back(given.name);
    return all;
  }

  // The text as written or declared. A service's own parameter defaults to its family's.
  std::string raw(const std::string& name) const {
    if (const Result<std::string> own = values_.text(name); name == "config_directory" && own) return *own;
    if (const config::Setting* family = names_.of_service(name); family != nullptr && !values_.is_set(name))
      return "$" + family->name();
    return values_.raw(name).value_or("");
  }

  bool show(const std::string& name) {
    std::string text = raw(name);
    if (request_.expand) {
      const config::Setting* setting = catalogue_.find(name);
      const bool computed = setting != nullptr && setting->fallback().computed() && !values_.is_set(name);
      const Result<std::string> expanded = computed ? Result<std::string>(text) : values_.expand(text);
      if (!expanded) {
        console_.fatal(fmt::format("{}: {}: {}", values_.origin(name), name, expanded.error().text()));
        return false;
      }
      text = *expanded;
    }
    print_parameter(console_, request_, name, text);
    return true;
  }

  const PrconfRequest& request_;
  Console& console_;
  config::Catalogue catalogue_;
  Values values_;
  std::optional<config::MasterCf> master_cf_;
  config::Names names_;
};

}  // namespace

int show_parameters(const PrconfRequest& request, Console& console) {
  Result<Values> values = Values::load(request.directory, request.overrides);
  if (request.defaults) {
    // Defaults need no file.
    values = Values::of(*config::MainCf::parse("", request.directory + "/main.cf"), request.directory,
                        request.overrides);
  }
  if (!values) {
    console.fatal(values.error().text());
    return 1;
  }
  for (const std::string& text : values->warnings()) console.warning(text);
  Result<config::MasterCf> master_cf = config::MasterCf::read(request.directory + "/master.cf");
  if (!master_cf) console.warning(master_cf.error().text());
  std::optional<config::MasterCf> services;
  if (master_cf) services = std::move(*master_cf);
  return Shower(request, console, std::move(*values), std::move(services)).run();
}

int edit_parameters(const PrconfRequest& request, Console& console) {
  std::vector<std::pair<std::string, std::string>> settings;
  std::vector<std::string> names;
  for (const std::string& argument : request.arguments) {
    const std::string_view text = trim(argument);
    const auto refuse = [&](std::string_view what) {
      console.fatal(what);
      return 1;
    };
    if (text.find('\n') != std::string_view::npos) return refuse("-e, -X, or -# accepts no multi-line input");
    if (text.starts_with('#')) return refuse("-e, -X, or -# accepts no comment input");
    const std::size_t equals = text.find('=');
    const std::string_view name = trim(text.substr(0, equals));
    if (!request.edit && equals != std::string_view::npos)
      return refuse("-X or -# requires parameter names without value");
    if (name.empty()) return refuse(fmt::format("missing attribute name: \"{}\"", text));
    if ((request.edit && equals == std::string_view::npos) || std::ranges::any_of(name, is_space))
      return refuse(fmt::format("missing '=' after attribute name: \"{}\"", text));
    const bool repeated =
        std::ranges::any_of(settings, [&](const auto& earlier) { return earlier.first == name; });
    if (repeated) console.warning(fmt::format("ignoring earlier request: '{}'", name));
    names.emplace_back(name);
    if (request.edit) settings.emplace_back(name, trim(text.substr(equals + 1)));
  }
  const std::string path = request.directory + "/main.cf";
  const Result<std::string> text = config::read_configuration(path);
  if (!text) {
    console.fatal(text.error().text());
    return 1;
  }
  const config::EditedText edited = request.edit      ? config::set_in_main_cf(*text, settings)
                                    : request.exclude ? config::remove_from_main_cf(*text, names)
                                                      : config::comment_out_of_main_cf(*text, names);
  for (const std::string& warning : edited.warnings) console.warning(warning);
  if (edited.text == *text) return 0;
  if (const Result<> written = config::rewrite_file(path, edited.text); !written) {
    console.fatal(written.error().text());
    return 1;
  }
  return 0;
}

}  // namespace postrider::tools
