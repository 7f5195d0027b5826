#include "lib/address/address.h"

#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::address {
namespace {

bool is_dot_string(std::string_view local) {
  bool after_dot = true;  // an atom must begin here
  for (const char c : local) {
    if (c == '.') {
      if (after_dot) return false;
      after_dot = true;
    } else if (is_atom_character(c)) {
      after_dot = false;
    } else {
      return false;
    }
  }
  return !after_dot;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

bool is_atom_character(char c) {
  return is_alnum(c) || static_cast<unsigned char>(c) >= 0x80 ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

std::string quote_local_part(std::string_view local) {
  if (is_dot_string(local)) return std::string(local);
  std::string out;
  out.reserve(local.size() + 4);
  append_quoted(out, local);
  return out;
}

std::string quote_phrase(std::string_view name) {
  std::string clean;
  bool atoms = true;
  for (const char c : trim(name)) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) continue;
    atoms = atoms && (is_atom_character(c) || c == ' ');
    clean += c;
  }
  if (atoms && !clean.empty()) return clean;
  std::string out;
  append_quoted(out, clean);
  return out;
}

bool Address::needs_utf8() const { return !is_ascii(local) || !is_ascii(domain); }

std::string Address::text() const {
  if (empty()) return {};
  std::string out = quote_local_part(local);
  if (!domain.empty()) {
    out += '@';
    out += domain;
  }
  return out;
}

std::string Address::internal() const {
  if (domain.empty()) return local;
  std::string out;
  out.reserve(local.size() + 1 + domain.size());
  out += local;
  out += '@';
  out += domain;
  return out;
}

Address Address::from_internal(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return {std::string(text), {}};
  return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

Extension split_extension(std::string_view local, std::string_view delimiters) {
  const Extension whole{local, {}, false};
  if (delimiters.empty()) return whole;
  for (const std::string_view never : {"postmaster", "mailer-daemon", "double-bounce"})
    if (iequals(local, never)) return whole;
  const bool dash = delimiters.find('-') != std::string_view::npos;
  constexpr std::string_view request = "-request";
  if (dash && istarts_with(local, "owner-")) return whole;
  if (dash && local.size() > request.size() && iequals(local.substr(local.size() - request.size()), request))
    return whole;
  const std::size_t at = local.find_first_of(delimiters);
  if (at == 0 || at == std::string_view::npos) return whole;
  return {local.substr(0, at), local.substr(at + 1), true};
}

}  // namespace postrider::address
