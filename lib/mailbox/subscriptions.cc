#include "lib/mailbox/subscriptions.h"

#include <algorithm>
#include <optional>

#include "lib/base/text.h"
#include "lib/mailbox/dot_lock.h"

namespace postrider::mailbox {

namespace {

constexpr std::string_view header = "V\t2\n\n";
constexpr std::size_t most_names = 100'000;
constexpr std::size_t file_limit = 32 << 20;

std::string escape(std::string_view part) {
  std::string text;
  for (const char c : part) {
    switch (c) {
      case '\0': text += "\0010"; break;
      case '\001': text += "\0011"; break;
      case '\t': text += "\001t"; break;
      case '\r': text += "\001r"; break;
      case '\n': text += "\001n"; break;
      default: text += c;
    }
  }
  return text;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string part;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\001') {
      part += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    switch (text[i]) {
      case '0': part += '\0'; break;
      case '1': part += '\001'; break;
      case 't': part += '\t'; break;
      case 'r': part += '\r'; break;
      case 'n': part += '\n'; break;
      default: return std::nullopt;
    }
  }
  return part;
}

}  // namespace

Subscriptions Subscriptions::parse(std::string_view text, char separator) {
  Subscriptions subscriptions;
  const bool second = text.starts_with("V\t2\n");
  if (second) text.remove_prefix(4);
  while (!text.empty() && subscriptions.names_.size() < most_names) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (line.empty()) continue;
    Name name;
    bool good = true;
    for (const auto piece : split(line, second ? '\t' : separator)) {
      auto part = second ? unescape(piece) : std::optional(std::string(piece));
      good = good && part;
      name.push_back(std::move(part).value_or(""));
    }
    if (good && std::find(name.begin(), name.end(), "") == name.end())
      subscriptions.names_.push_back(std::move(name));
  }
  // What stands twice counts once.
  auto& names = subscriptions.names_;
  std::vector<Name> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    names = std::move(sorted);
  }
  return subscriptions;
}

std::string Subscriptions::format() const {
  std::string text(header);
  for (const auto& name : names_) {
    for (std::size_t i = 0; i < name.size(); ++i) {
      if (i != 0) text += '\t';
      text += escape(name[i]);
    }
    text += '\n';
  }
  return text;
}

bool Subscriptions::contains(const Name& name) const {
  return std::find(names_.begin(), names_.end(), name) != names_.end();
}

bool Subscriptions::add(Name name) {
  if (name.empty() || std::find(name.begin(), name.end(), "") != name.end() || contains(name)) return false;
  names_.push_back(std::move(name));
  return true;
}

bool Subscriptions::remove(const Name& name) { return std::erase(names_, name) != 0; }

Result<Subscriptions> Subscriptions::load(os::Files& files, const std::string& directory, char separator) {
  const auto text = read_file(files, directory + "/subscriptions", file_limit);
  if (text) return parse(*text, separator);
  if (text.error().is(Trouble::not_found)) return Subscriptions();
  return fail(text.error());
}

Result<bool> Subscriptions::change(os::Files& files, const Clock& clock, const std::string& directory,
                                   const Name& name, bool subscribe, char separator) {
  const std::string path = directory + "/subscriptions";
  const auto lock = DotLock::acquire(files, clock, path);
  if (!lock) return fail(lock.error());
  auto subscriptions = load(files, directory, separator);
  if (!subscriptions) return fail(subscriptions.error());
  if (!(subscribe ? subscriptions->add(name) : subscriptions->remove(name))) return false;
  const auto written = replace_file(files, path, subscriptions->format(), 0600);
  if (!written) return fail(written.error());
  return true;
}

}  // namespace postrider::mailbox
