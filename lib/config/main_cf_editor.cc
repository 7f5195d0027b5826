#include "lib/config/main_cf_editor.h"

#include <algorithm>
#include <functional>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include "lib/base/text.h"
#include "lib/os/files.h"

namespace postrider::config {

namespace {

enum class Physical { comment, continuation, definition };

Physical kind_of(std::string_view line) {
  const std::string_view visible = trim(line);
  if (visible.empty() || visible.front() == '#') return Physical::comment;
  return is_space(line.front()) ? Physical::continuation : Physical::definition;
}

// The name a definition starts with. It may be followed by its `=` on a later line.
std::string_view name_of(std::string_view line) {
  return trim(line.substr(0, std::min(line.find('='), line.size())));
}

// Goes through the physical lines, newline included. `replace` is asked once per definition of a chosen name
// and returns what stands in its first line's place; `rewrite` says what becomes of each of its lines.
class Editor {
 public:
  Editor(std::string_view text, std::vector<std::string> names) : text_(text), names_(std::move(names)) {}

  EditedText run(const std::function<std::string(std::string_view name)>& first_line,
                 const std::function<std::string(std::string_view line)>& every_line) {
    EditedText edited;
    std::vector<int> found(names_.size());
    bool inside = false;
    while (!text_.empty()) {
      const std::size_t end = text_.find('\n');
      const std::string_view line = text_.substr(0, end == std::string_view::npos ? end : end + 1);
      text_.remove_prefix(line.size());
      const Physical kind = kind_of(line);
      if (kind == Physical::comment) {
        edited.text += line;
        continue;
      }
      if (kind == Physical::definition) {
        const auto name = std::ranges::find(names_, name_of(line));
        inside = name != names_.end();
        if (inside) {
          if (++found[static_cast<std::size_t>(name - names_.begin())] == 2)
            edited.warnings.push_back(fmt::format("multiple entries for \"{}\"", *name));
          edited.text += first_line(*name);
        }
      }
      edited.text += inside ? every_line(line) : std::string(line);
    }
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (found[i] == 0) missing_.push_back(names_[i]);
    return edited;
  }

  // The names that were nowhere defined, in the order given.
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  std::string_view text_;
  std::vector<std::string> names_;
  std::vector<std::string> missing_;
};

std::string nothing(std::string_view /*name_or_line*/) { return ""; }

}  // namespace

EditedText set_in_main_cf(std::string_view text,
                          const std::vector<std::pair<std::string, std::string>>& settings) {
  std::vector<std::string> names;
  for (const auto& [name, value] : settings)
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  const auto definition = [&](std::string_view name) {
    const auto last = std::find_if(settings.rbegin(), settings.rend(),
                                   [&](const auto& setting) { return setting.first == name; });
    return fmt::format("{} = {}\n", name, last->second);
  };
  Editor editor(text, std::move(names));
  EditedText edited = editor.run(definition, nothing);
  if (!editor.missing().empty() && !edited.text.empty() && edited.text.back() != '\n') edited.text += '\n';
  for (const std::string& name : editor.missing()) edited.text += definition(name);
  return edited;
}

EditedText remove_from_main_cf(std::string_view text, const std::vector<std::string>& names) {
  return Editor(text, names).run(nothing, nothing);
}

EditedText comment_out_of_main_cf(std::string_view text, const std::vector<std::string>& names) {
  return Editor(text, names).run(nothing, [](std::string_view line) { return "#" + std::string(line); });
}

Result<> rewrite_file(const std::string& path, std::string_view text) {
  os::Files& files = os::system_files();
  const Result<os::FileStatus> status = files.stat(path);
  if (!status) return fail(status.error());
  if (Result<> done = os::replace_file(files, path, text, status->mode); !done) return done;
  const Result<os::FileStatus> made = files.stat(path);
  if (!made) return fail(made.error());
  if (made->uid == status->uid && made->gid == status->gid) return {};
  // Only root can give a file away; whoever else may replace it becomes its owner.
  const Result<os::Fd> file = files.open(path, O_RDONLY | O_NOFOLLOW);
  if (!file) return fail(file.error());
  if (Result<> done = files.chown(file->get(), status->uid, status->gid);
      !done && !done.error().is(Trouble::access))
    return done;
  return {};
}

}  // namespace postrider::config
