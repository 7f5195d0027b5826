// What prconf says about the installation rather than about one configuration, and its entry.

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/install_paths.h"
#include "lib/table/table.h"
#include "lib/tls/library.h"
#include "tools/prconf.h"

namespace postrider::tools {

namespace {

// Text for the middle of an mdoc line.
std::string mdoc_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '"') {
      out += "\\(dq";
    } else {
      out += c;
    }
  }
  return out;
}

// As lines of at most 80 columns, none of which starts like a macro.
std::string mdoc_lines(std::string_view text) {
  constexpr std::size_t limit = 79;
  std::string out;
  std::size_t length = 0;
  for (const std::string_view plain : split_any(text, " ")) {
    std::string word = mdoc_text(plain);
    if (word.starts_with('.') || word.starts_with('\'')) word.insert(0, "\\&");
    // A sentence starts a line, so that formatters know where it ends.
    if (length > 0) out += out.ends_with('.') || length + 1 + word.size() > limit ? '\n' : ' ';
    length = out.ends_with('\n') ? word.size() : length + 1 + word.size();
    out += word;
  }
  return out;
}

std::string unit_of(const config::Setting& setting) {
  const auto* duration = dynamic_cast<const config::Duration*>(&setting);
  return duration != nullptr && duration->unit() != 's' ? fmt::format(" (unit {})", duration->unit()) : "";
}

void append_mdoc(std::string& out, const config::Setting& setting) {
  out += fmt::format(".It Sy {}\n{}\n", setting.name(), mdoc_lines(setting.documentation()));
  std::string type = setting.type_name() + unit_of(setting);
  type.front() = to_upper(type.front());
  const std::string range = setting.legal_range();
  out += mdoc_lines(fmt::format("{}{}{}.", type, range.empty() ? "" : ": ", range)) + "\n";
  const std::string& fallback = setting.fallback().manual();
  if (setting.fallback().computed()) {
    out += fmt::format("Default: {}.\n", mdoc_text(fallback));
  } else if (fallback.empty()) {
    out += "Default: empty.\n";
  } else {
    out += fmt::format("Default:\n.Ql \"{}\" .\n", mdoc_text(fallback));
  }
  if (!setting.legacy_name().empty()) out += fmt::format("Formerly\n.Sy {} .\n", setting.legacy_name());
}

int tls_list(std::string_view mode, Console& console) {
  if (mode == "compile-version") {
    console.line(tls::compiled_library());
  } else if (mode == "run-version") {
    console.line(tls::running_library());
  } else if (mode == "public-key-algorithms") {
    for (const std::string& name : tls::public_key_algorithms()) console.line(name);
  } else {
    console.warning(fmt::format("unknown '{} -T' mode: {}", console.program, mode));
    return 1;
  }
  return 0;
}

int show_mdoc(const PrconfRequest& request, Console& console) {
  const config::Catalogue catalogue = every_parameter();
  const std::string room = request.arguments.empty() ? "" : request.arguments.front();
  console.out += parameters_mdoc(catalogue, room);
  if (!console.out.empty()) return 0;
  console.fatal(fmt::format("no program named {} has parameters", room));
  return 1;
}

int show_check(const PrconfRequest& request, Console& console) {
  const Findings findings = check_configuration(request.directory);
  for (const std::string& text : findings.warnings) console.warning(text);
  for (const std::string& text : findings.errors)
    console.err += fmt::format("{}: error: {}\n", console.program, text);
  return findings.errors.empty() ? 0 : 1;
}

int run_request(const PrconfRequest& request, Console& console) {
  switch (request.mode) {
    case PrconfMode::about: return show_about(request, console);
    case PrconfMode::main_cf:
      return request.changes() ? edit_parameters(request, console) : show_parameters(request, console);
    case PrconfMode::services:
    case PrconfMode::fields:
    case PrconfMode::overrides:
      return request.changes() ? edit_services(request, console) : show_services(request, console);
  }
  return 1;
}

}  // namespace

std::string parameters_mdoc(const config::Catalogue& catalogue, std::string_view room) {
  std::string items;
  if (room.empty()) {
    for (const auto& [name, setting] : catalogue.settings()) append_mdoc(items, *setting);
    for (const config::Family& family : catalogue.families())
      items += fmt::format(".It Ar service Ns Sy {}\nAs\n.Sy {} ,\nfor one service of\n.Xr master.cf 5 .\n",
                           family.suffix, family.fallback->name());
  } else {
    for (const config::Setting* setting : catalogue.settings_of(room)) append_mdoc(items, *setting);
  }
  return items.empty() ? items : ".Bl -tag -width Ds\n" + items + ".El\n";
}

Findings check_configuration(const std::string& directory) {
  Findings findings;
  config::Catalogue catalogue = every_parameter();
  Result<config::Values> values = config::Values::load(directory);
  const Result<config::MasterCf> master_cf = config::MasterCf::read(directory + "/master.cf");
  if (!values) findings.errors.push_back(values.error().text());
  if (!master_cf) findings.errors.push_back(master_cf.error().text());
  if (!findings.errors.empty()) return findings;
  findings.warnings = values->warnings();
  findings.warnings.insert(findings.warnings.end(), master_cf->warnings().begin(),
                           master_cf->warnings().end());
  catalogue.declare_in(*values);
  const config::Names names(*values, &*master_cf, catalogue);
  for (const auto& list : {names.undefined(), names.unused_in_main_cf(), names.unused_in_master_cf()})
    findings.warnings.insert(findings.warnings.end(), list.begin(), list.end());
  findings.errors = catalogue.mistakes(*values);
  for (const auto& [name, family] : names.service_parameters()) {
    if (!values->is_set(name)) continue;
    const Result<std::string> text = values->text(name);
    const Result<> legal = text ? family->check(*text) : Result<>(fail(text.error()));
    if (!legal)
      findings.errors.push_back(config::detail::bad_value(*values, name, legal.error()).error().text());
  }
  for (const config::Service& service : master_cf->services()) {
    if (service.overrides.empty()) continue;
    config::Values own = config::Values::of(values->main_cf(), directory, service.overrides);
    catalogue.declare_in(own);
    for (std::string& text : catalogue.mistakes(own, service.command)) {
      // What is wrong in main.cf has been told.
      if (text.find(service.overrides.front().origin) != std::string::npos)
        findings.errors.push_back(std::move(text));
    }
  }
  return findings;
}

int show_about(const PrconfRequest& request, Console& console) {
  if (request.topic == "help") {
    console.out += prconf_help(console.program);
    return 0;
  }
  if (request.topic == "version") {
    console.line(config::release_version());
    return 0;
  }
  if (request.topic == "check") return show_check(request, console);
  if (request.topic == "mdoc") return show_mdoc(request, console);
  switch (request.topic.front()) {
    case 'a':
    case 'A': console.line("cyrus"); return 0;
    case 'l':
      for (const char* type : {"flock", "fcntl", "dotlock"}) console.line(type);
      return 0;
    case 'm':
      for (const std::string& type : table::types()) console.line(type);
      return 0;
    case 'T': return tls_list(request.arguments.front(), console);
    default:
      console.fatal(
          fmt::format("-{}: bounce templates are part of the program and cannot be shown", request.topic));
      return 1;
  }
}

int run_prconf(const std::vector<std::string>& arguments, Console& console) {
  const std::string_view invoked = arguments.empty() ? "prconf" : std::string_view(arguments.front());
  console.program = invoked.substr(invoked.rfind('/') + 1);
  const Result<PrconfRequest> request = parse_prconf(arguments);
  if (request) return run_request(*request, console);
  console.fatal(request.error().text());
  const std::string& text = request.error().text();
  if (text.starts_with("invalid option") || text.starts_with("option requires") ||
      text.starts_with("unknown option"))
    console.fatal(prconf_usage(console.program));
  return 1;
}

}  // namespace postrider::tools
