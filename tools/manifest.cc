#include "tools/manifest.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/base/text.h"

// The build's own copy, read from the top of the tree when this is compiled.
asm(".pushsection .rodata\n"
    "postrider_install_manifest_begin:\n"
    ".incbin \"conf/install.manifest\"\n"
    "postrider_install_manifest_end:\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" const char built_in_begin[] asm("postrider_install_manifest_begin");
extern "C" const char built_in_end[] asm("postrider_install_manifest_end");

namespace postrider::tools {
namespace {

constexpr std::array<std::string_view, 7> kinds = {"dir", "place", "conf", "data", "program", "link", "man"};
constexpr std::size_t most_bytes = 1 << 20;

}  // namespace

Result<Manifest> Manifest::parse(std::string_view text, const std::string& origin) {
  Manifest manifest;
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    const auto words = split_any(line.substr(0, line.find('#')), " \t\r");
    if (words.empty()) continue;
    const auto mode =
        words.size() < 5 || words[4] == "-" ? std::optional<mode_t>(0) : parse_number<mode_t>(words[4], 8);
    if (words.size() < 5 || std::ranges::find(kinds, words[0]) == kinds.end() || !mode) {
      return fail(Trouble::configuration, fmt::format("{}: line {}: not a manifest line", origin, number));
    }
    manifest.entries_.push_back({std::string(words[0]), std::string(words[1]), std::string(words[2]),
                                 std::string(words[3]), *mode,
                                 std::string(words.size() > 5 ? words[5] : std::string_view())});
  }
  return manifest;
}

Result<Manifest> Manifest::load(os::Files& files, const std::string& daemon_directory) {
  const std::string path = daemon_directory + "/install.manifest";
  const auto text = os::read_file(files, path, most_bytes);
  if (text) return parse(*text, path);
  if (!text.error().is(Trouble::not_found)) return fail(text.error());
  return parse(std::string_view(built_in_begin, static_cast<std::size_t>(built_in_end - built_in_begin)),
               "install.manifest");
}

std::optional<std::string> place_of(const ManifestEntry& entry, const config::Values& values) {
  std::string place;
  std::string_view rest = entry.path;
  while (!rest.empty()) {
    if (rest.front() != '$') {
      const std::size_t end = std::min(rest.find('$'), rest.size());
      place += rest.substr(0, end);
      rest.remove_prefix(end);
      continue;
    }
    rest.remove_prefix(1);
    std::size_t end = 0;
    while (end < rest.size() && (is_alnum(rest[end]) || rest[end] == '_')) ++end;
    const auto value = values.text(rest.substr(0, end));
    if (!value || value->empty()) return std::nullopt;
    place += *value;
    rest.remove_prefix(end);
  }
  return place;
}

}  // namespace postrider::tools
