// How prconf prints.

#include <fmt/core.h>

#include "lib/base/text.h"
#include "tools/prconf.h"

namespace postrider::tools {

namespace {

constexpr std::size_t line_limit = 80;
constexpr std::string_view indent = "    ";

void append_json(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

std::string folded_line(std::string_view text, bool fold) {
  std::string out;
  std::size_t length = 0;
  for (const std::string_view word : split_any(text, " \t\r\n")) {
    if (length > 0) {
      // A line that starts with `#` would be a comment.
      if (!fold || length + word.size() < line_limit || word.front() == '#') {
        out += ' ';
        ++length;
      } else {
        out += '\n';
        out += indent;
        length = indent.size();
      }
    }
    out += word;
    length += word.size();
  }
  return out;
}

std::string json_object(const std::vector<std::pair<std::string_view, std::string_view>>& members) {
  std::string out = "{";
  for (const auto& [name, value] : members) {
    if (out.size() > 1) out += ", ";
    append_json(out, name);
    out += ": ";
    append_json(out, value);
  }
  return out + "}";
}

void print_parameter(Console& console, const PrconfRequest& request, std::string_view name,
                     std::string_view value) {
  if (request.json) {
    console.line(json_object({{"name", name}, {"value", value}}));
  } else if (request.no_values) {
    console.line(name);
  } else if (request.no_names) {
    console.line(folded_line(value, request.fold));
  } else {
    console.line(folded_line(fmt::format("{} = {}", name, value), request.fold));
  }
}

void warn_before(const PrconfRequest& request, const config::Names& names, Console& console) {
  if (request.quiet) return;
  for (const std::string& text : names.undefined()) console.warning(text);
}

void warn_after(const PrconfRequest& request, const config::Names& names, Console& console) {
  if (request.quiet) return;
  if (request.mode == PrconfMode::main_cf)
    for (const std::string& text : names.unused_in_main_cf()) console.warning(text);
  for (const std::string& text : names.unused_in_master_cf()) console.warning(text);
}

}  // namespace postrider::tools
