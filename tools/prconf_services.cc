// master.cf: entries, their fields and their parameters, shown and changed.

#include <algorithm>
#include <map>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/logical_lines.h"
#include "lib/config/main_cf_editor.h"
#include "lib/config/master_cf_editor.h"
#include "tools/prconf.h"

namespace postrider::tools {

namespace {

using config::Service;

// "name/type/item=value" taken apart. Names of inet services may contain brackets and colons, not slashes.
struct Selector {
  std::string text;  // as given
  std::string name;
  std::string type;  // may be empty
  std::string item;  // may be empty
  std::string value;

  bool chooses(const Service& service) const { return config::matches_service(service, name, type); }
};

Selector parse_selector(const std::string& argument, bool with_value) {
  Selector selector;
  selector.text = argument;
  const std::size_t equals = with_value ? argument.find('=') : std::string::npos;
  if (equals != std::string::npos) selector.value = trim(std::string_view(argument).substr(equals + 1));
  const std::string_view path = trim(std::string_view(argument).substr(0, equals));
  const std::size_t first = path.find('/');
  selector.name = path.substr(0, first);
  if (first == std::string_view::npos) return selector;
  const std::size_t second = path.find('/', first + 1);
  selector.type = path.substr(first + 1, second == std::string_view::npos ? second : second - first - 1);
  if (second != std::string_view::npos) selector.item = path.substr(second + 1);
  return selector;
}

std::string service_path(const Service& service) {
  return fmt::format("{}/{}", service.name, config::service_type_name(service.type));
}

class Shower {
 public:
  Shower(const PrconfRequest& request, Console& console, const config::MasterCf& master_cf,
         const config::Values* values)
      : request_(request), console_(console), master_cf_(master_cf), values_(values) {}

  int run() {
    if (request_.arguments.empty()) return show_matching({"", "*", "*", "", ""}) >= 0 ? 0 : 1;
    for (const std::string& argument : request_.arguments) {
      const Selector selector = parse_selector(argument, false);
      const int shown = show_matching(selector);
      if (shown < 0) return 1;
      if (shown == 0) console_.warning(fmt::format("unmatched request: \"{}\"", selector.text));
    }
    return 0;
  }

 private:
  // How many things were shown; negative after an error.
  int show_matching(const Selector& selector) {
    int shown = 0;
    if (request_.mode == PrconfMode::fields && !selector.item.empty() && selector.item != "*" &&
        std::ranges::find(config::service_field_names(), selector.item) ==
            config::service_field_names().end()) {
      console_.fatal(fmt::format("invalid service attribute name: \"{}\"", selector.item));
      return -1;
    }
    for (const Service& entry : master_cf_.entries()) {
      if (!selector.chooses(entry)) continue;
      const std::optional<Service> service = prepared(entry);
      if (!service) return -1;
      shown += request_.mode == PrconfMode::services ? show_entry(*service)
               : request_.mode == PrconfMode::fields ? show_fields(*service, selector.item)
                                                     : show_overrides(*service, selector.item);
    }
    return shown;
  }

  // With -x, the values of -o expanded.
  std::optional<Service> prepared(const Service& entry) {
    if (!request_.expand) return entry;
    const config::Values with_own =
        config::Values::of(values_->main_cf(), values_->config_directory(), entry.overrides);
    Service service = entry;
    for (config::Override& one : service.overrides) {
      const Result<std::string> expanded = with_own.expand(one.value);
      if (!expanded) {
        console_.fatal(fmt::format("{}: {}: {}", one.origin, one.name, expanded.error().text()));
        return std::nullopt;
      }
      one.value = *expanded;
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < service.arguments.size() && next < service.overrides.size(); ++i) {
      if (!service.arguments[i].starts_with("-o")) continue;
      const config::Override& one = service.overrides[next++];
      std::string& text = service.arguments[i] == "-o" ? service.arguments[++i] : service.arguments[i];
      text = fmt::format("{}{}={}", text.starts_with("-o") ? "-o" : "", one.name, one.value);
    }
    return service;
  }

  int show_entry(const Service& service) {
    if (!request_.json) {
      console_.line(config::service_text(service, request_.fold));
      return 1;
    }
    const std::string command = config::command_text(service, false);
    std::vector<std::pair<std::string_view, std::string_view>> members;
    for (std::size_t i = 0; i < service.fields.size(); ++i)
      members.emplace_back(config::service_field_names()[i],
                           i + 1 < service.fields.size() ? std::string_view(service.fields[i]) : command);
    console_.line(json_object(members));
    return 1;
  }

  int show_fields(const Service& service, std::string_view item) {
    int shown = 0;
    for (std::size_t i = 0; i < service.fields.size(); ++i) {
      const std::string& name = config::service_field_names()[i];
      if (!item.empty() && item != "*" && item != name) continue;
      const std::string path = fmt::format("{}/{}", service_path(service), name);
      const bool is_command = i + 1 == service.fields.size();
      if (is_command && !request_.json && !request_.no_values) {
        const std::string prefix = request_.no_names ? "" : path + " = ";
        console_.line(config::command_text(service, request_.fold, prefix));
      } else {
        print_parameter(console_, request_, path,
                        is_command ? config::command_text(service, false) : service.fields[i]);
      }
      ++shown;
    }
    return shown;
  }

  int show_overrides(const Service& service, std::string_view item) {
    std::map<std::string_view, std::string_view> by_name;
    for (const config::Override& one : service.overrides) by_name[one.name] = one.value;
    int shown = 0;
    for (const auto& [name, value] : by_name) {
      if (!item.empty() && item != "*" && item != name) continue;
      print_parameter(console_, request_, fmt::format("{}/{}", service_path(service), name), value);
      ++shown;
    }
    return shown;
  }

  const PrconfRequest& request_;
  Console& console_;
  const config::MasterCf& master_cf_;
  const config::Values* values_;
};

// One change of one entry; the error ends the command.
Result<Service> changed(const PrconfRequest& request, const Selector& selector, const Service& service) {
  if (request.mode == PrconfMode::fields) return config::with_field(service, selector.item, selector.value);
  if (request.exclude) return config::without_override(service, selector.item);
  return config::with_override(service, selector.item, selector.value);
}

// Mistakes in an argument that show before any file is read.
std::string mistake_in(const PrconfRequest& request, const Selector& selector) {
  if (selector.text.find('\n') != std::string::npos) return "-e, -X, or -# accepts no multi-line input";
  const bool has_value = selector.text.find('=') != std::string::npos;
  if (request.edit && !has_value) return fmt::format("missing '=' in \"{}\"", selector.text);
  if (!request.edit && has_value) return "-X or -# requires names without value";
  if (request.mode == PrconfMode::services) {
    if (selector.name.empty() || selector.type.empty() || !selector.item.empty())
      return "-Me, -MX or -M# requires service_name/type";
  } else if (selector.type.empty() || selector.item.empty()) {
    return request.mode == PrconfMode::fields ? "-Fe requires service_name/type/field_name"
                                              : "-Pe or -PX requires service_name/type/parameter";
  }
  return "";
}

}  // namespace

int show_services(const PrconfRequest& request, Console& console) {
  const config::Catalogue catalogue = every_parameter();
  Result<config::Values> values = config::Values::load(request.directory, request.overrides);
  const Result<config::MasterCf> master_cf = config::MasterCf::read(request.directory + "/master.cf");
  if (!values || !master_cf) {
    console.fatal(values ? master_cf.error().text() : values.error().text());
    return 1;
  }
  for (const std::string& text : values->warnings()) console.warning(text);
  for (const std::string& text : master_cf->warnings()) console.warning(text);
  catalogue.declare_in(*values);
  const config::Names names(*values, &*master_cf, catalogue);
  warn_before(request, names, console);
  const int status = Shower(request, console, *master_cf, &*values).run();
  if (status == 0) warn_after(request, names, console);
  return status;
}

int edit_services(const PrconfRequest& request, Console& console) {
  const auto refuse = [&](std::string_view text) {
    console.fatal(text);
    return 1;
  };
  const std::string path = request.directory + "/master.cf";
  const Result<std::string> original = config::read_configuration(path);
  if (!original) return refuse(original.error().text());
  std::string text = *original;
  for (const std::string& argument : request.arguments) {
    const Selector selector = parse_selector(argument, true);
    if (const std::string mistake = mistake_in(request, selector); !mistake.empty()) return refuse(mistake);
    std::optional<Service> given;
    if (request.mode == PrconfMode::services && request.edit) {
      Result<Service> parsed = config::parse_service(selector.value);
      if (!parsed) return refuse(parsed.error().text());
      given = std::move(*parsed);
    }
    bool matched = false;
    std::optional<Error> trouble;
    const auto editor = [&](const Service& service, std::string& replacement) {
      if (!selector.chooses(service) || trouble) return config::EntryChange::keep;
      matched = true;
      if (request.mode == PrconfMode::services && !given)
        return request.exclude ? config::EntryChange::remove : config::EntryChange::comment_out;
      const Result<Service> next = given ? Result<Service>(*given) : changed(request, selector, service);
      if (!next) {
        trouble = next.error();
        return config::EntryChange::keep;
      }
      replacement = config::service_text(*next, true) + "\n";
      return config::EntryChange::replace;
    };
    Result<std::string> edited = config::edit_master_cf(text, path, editor);
    if (!edited) return refuse(edited.error().text());
    if (trouble) return refuse(trouble->text());
    if (!matched && given) {
      const auto keep = [](const Service&, std::string&) { return config::EntryChange::keep; };
      edited = config::edit_master_cf(text, path, keep, config::service_text(*given, true) + "\n");
    } else if (!matched && request.mode != PrconfMode::services) {
      console.warning(fmt::format("unmatched service_name/type: \"{}\"", selector.text));
    }
    text = std::move(*edited);
  }
  if (text == *original) return 0;
  if (const Result<> written = config::rewrite_file(path, text); !written)
    return refuse(written.error().text());
  return 0;
}

}  // namespace postrider::tools
