#include "lib/mailbox/keywords.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::mailbox {

namespace {

constexpr std::string_view file_name = "/dovecot-keywords";
constexpr std::size_t file_limit = 64 * 1024;

// An IMAP atom.
bool is_keyword(std::string_view text) {
  constexpr std::string_view specials = "(){%*\"\\]";
  return !text.empty() && text.size() <= max_keyword_length &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return c > ' ' && c < 0x7f && !specials.contains(c); });
}

}  // namespace

Keywords Keywords::parse(std::string_view text) {
  Keywords keywords;
  for (const auto line : split(text, '\n')) {
    const auto space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const auto index = parse_number<std::size_t>(line.substr(0, space));
    const auto name = line.substr(space + 1);
    if (!index || *index >= max_keywords || !is_keyword(name) || keywords.letter(name)) continue;
    keywords.names_[*index] = std::string(name);
  }
  return keywords;
}

std::string Keywords::format() const {
  std::string text;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!names_[i].empty()) text += fmt::format("{} {}\n", i, names_[i]);
  }
  return text;
}

Result<Keywords> Keywords::load(os::Files& files, const std::string& control_directory) {
  const auto text = read_file(files, control_directory + std::string(file_name), file_limit);
  if (text) return parse(*text);
  if (text.error().is(Trouble::not_found)) return Keywords();
  return fail(text.error());
}

Result<> Keywords::save(os::Files& files, const std::string& control_directory) const {
  return replace_file(files, control_directory + std::string(file_name), format(), 0600);
}

std::string Keywords::name(char letter) const {
  if (letter < 'a' || letter > 'z') return {};
  const auto index = static_cast<std::size_t>(letter - 'a');
  return names_[index].empty() ? fmt::format("unknown-{}", index) : names_[index];
}

std::optional<char> Keywords::letter(std::string_view keyword) const {
  const auto found = std::find_if(names_.begin(), names_.end(),
                                  [&](const auto& name) { return !name.empty() && iequals(name, keyword); });
  if (found == names_.end()) return std::nullopt;
  return static_cast<char>('a' + (found - names_.begin()));
}

Result<char> Keywords::add(std::string_view keyword) {
  if (!is_keyword(keyword)) return fail(Trouble::permanent, "not a keyword");
  if (const auto known = letter(keyword)) return *known;
  const auto free = std::find(names_.begin(), names_.end(), "");
  if (free == names_.end()) return fail(Trouble::permanent, "no more than 26 keywords in one mailbox");
  *free = std::string(keyword);
  return static_cast<char>('a' + (free - names_.begin()));
}

}  // namespace postrider::mailbox
