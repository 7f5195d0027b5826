#include "lib/config/master_cf_editor.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::config {

namespace {

constexpr std::size_t line_limit = 80;
constexpr std::string_view indent = "    ";
constexpr std::array<std::size_t, 8> columns{0, 11, 17, 25, 33, 41, 49, 57};

bool has_space(std::string_view text) { return std::ranges::any_of(text, is_space); }

// As one word of master.cf, in braces where it would not be read back as it is: a `#` may come to stand first
// in a line.
std::string word(std::string_view argument) {
  if (argument.empty() || argument.front() == '{' || argument.front() == '#' || has_space(argument))
    return fmt::format("{{{}}}", argument);
  return std::string(argument);
}

// The arguments as they are printed: an option and its value are one item.
struct Item {
  std::string text;
  bool is_option = false;
  bool has_value = false;
};

std::vector<Item> items_of(const std::vector<std::string>& arguments) {
  std::vector<Item> items;
  bool options = true;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with('-')) options = false;
    if (!options || !argument.starts_with("-o")) {
      items.push_back({word(argument), options, false});
      continue;
    }
    std::string_view value = std::string_view(argument).substr(2);
    if (value.empty()) {
      if (i + 1 == arguments.size()) {
        items.push_back({"-o", true, false});
        break;
      }
      value = arguments[++i];
    }
    const std::size_t equals = value.find('=');
    std::string assignment(value);
    if (equals != std::string_view::npos)
      assignment = fmt::format("{}={}", trim(value.substr(0, equals)), trim(value.substr(equals + 1)));
    items.push_back({"-o " + word(assignment), true, true});
  }
  return items;
}

// Appends to lines that may be broken between items.
class Folder {
 public:
  Folder(std::string& out, bool folded) : out_(out), folded_(folded), length_(out.size()) {}

  void add(const Item& item) {
    if (item.has_value) break_line_ = true;
    if (folded_ && (break_line_ || length_ + 1 + item.text.size() >= line_limit)) {
      out_ += '\n';
      out_ += indent;
      length_ = indent.size();
    } else {
      out_ += ' ';
      ++length_;
    }
    out_ += item.text;
    length_ += item.text.size();
    break_line_ = item.has_value;
  }

 private:
  std::string& out_;
  bool folded_;
  std::size_t length_;
  bool break_line_ = false;
};

// Everything of an entry but the spaces, as text that reads back.
Result<Service> reread(const std::vector<std::string>& fields, const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& field : fields) text += word(field) + " ";
  for (const std::string& argument : arguments) text += word(argument) + " ";
  return parse_service(text);
}

// The name of the override that starts at arguments[i] and how many arguments it is; 0 if it is none.
std::pair<std::string_view, std::size_t> override_at(const std::vector<std::string>& arguments,
                                                     std::size_t i) {
  std::string_view text = arguments[i];
  if (!text.starts_with("-o")) return {"", 0};
  text.remove_prefix(2);
  std::size_t length = 1;
  if (text.empty() && i + 1 < arguments.size()) {
    text = arguments[i + 1];
    length = 2;
  }
  return {trim(text.substr(0, std::min(text.find('='), text.size()))), length};
}

// The arguments with every override of the name replaced by `substitute`, which may be nothing; where there
// was none, it goes behind the last option when `add` is set.
std::vector<std::string> substituted(const Service& service, std::string_view name,
                                     const std::vector<std::string>& substitute, bool add) {
  std::vector<std::string> result;
  const std::vector<std::string>& arguments = service.arguments;
  std::size_t i = 0;
  while (i < arguments.size() && arguments[i].starts_with('-')) {
    const auto [own_name, length] = override_at(arguments, i);
    const std::size_t end = i + std::max<std::size_t>(length, 1);
    if (length > 0 && own_name == name) {
      result.insert(result.end(), substitute.begin(), substitute.end());
      add = false;
      i = end;
    }
    for (; i < end; ++i) result.push_back(arguments[i]);
  }
  if (add) result.insert(result.end(), substitute.begin(), substitute.end());
  result.insert(result.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
  return result;
}

}  // namespace

std::string command_text(const Service& service, bool folded, std::string_view prefix) {
  std::string text = std::string(prefix) + word(service.command);
  Folder folder(text, folded);
  for (const Item& item : items_of(service.arguments)) folder.add(item);
  return text;
}

std::string service_text(const Service& service, bool folded) {
  std::string text;
  for (std::size_t i = 0; i < service.fields.size(); ++i) {
    if (i > 0) text += ' ';
    if (text.size() < columns[i]) text.append(columns[i] - text.size(), ' ');
    text += i + 1 < service.fields.size() ? service.fields[i] : word(service.command);
  }
  Folder folder(text, folded);
  for (const Item& item : items_of(service.arguments)) folder.add(item);
  return text;
}

const std::vector<std::string>& service_field_names() {
  static const std::vector<std::string> names{"service", "type",   "private",       "unprivileged",
                                              "chroot",  "wakeup", "process_limit", "command"};
  return names;
}

Result<Service> parse_service(const std::string& text) {
  Result<MasterCf> parsed = MasterCf::parse(trim(text), "command line");
  if (!parsed) return fail(std::move(parsed).error());
  if (parsed->entries().size() != 1)
    return fail(Trouble::configuration, fmt::format("not one master.cf entry: \"{}\"", text));
  return parsed->entries().front();
}

Result<Service> with_field(const Service& service, std::string_view field, const std::string& value) {
  const auto name = std::ranges::find(service_field_names(), field);
  if (name == service_field_names().end())
    return fail(Trouble::configuration, fmt::format("invalid service attribute name: \"{}\"", field));
  std::vector<std::string> fields = service.fields;
  const auto index = static_cast<std::size_t>(name - service_field_names().begin());
  if (index + 1 < fields.size()) {
    if (value.empty() || has_space(value))
      return fail(Trouble::configuration, fmt::format("invalid {} field \"{}\"", field, value));
    fields[index] = value;
    return reread(fields, service.arguments);
  }
  std::string text;
  for (std::size_t i = 0; i < index; ++i) text += fields[i] + " ";
  return parse_service(text + value);
}

Result<Service> with_override(const Service& service, const std::string& name, const std::string& value) {
  return reread(service.fields, substituted(service, name, {"-o", fmt::format("{}={}", name, value)}, true));
}

Result<Service> without_override(const Service& service, std::string_view name) {
  return reread(service.fields, substituted(service, name, {}, false));
}

bool matches_service(const Service& service, std::string_view name, std::string_view type) {
  return (name == "*" || name == service.name) &&
         (type.empty() || type == "*" || type == service_type_name(service.type));
}

Result<std::string> edit_master_cf(std::string_view text, const std::string& path, const EntryEditor& editor,
                                   std::string_view appended) {
  const Result<MasterCf> parsed = MasterCf::parse(text, path);
  if (!parsed) return fail(parsed.error());
  std::string edited;
  auto entry = parsed->entries().begin();
  EntryChange change = EntryChange::keep;
  std::string replacement;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end == std::string_view::npos ? end : end + 1);
    text.remove_prefix(line.size());
    const std::string_view visible = trim(line);
    if (visible.empty() || visible.front() == '#') {
      edited += line;
      continue;
    }
    if (entry != parsed->entries().end() && entry->line == number) {
      replacement.clear();
      change = editor(*entry, replacement);
    }
    if (change == EntryChange::comment_out) edited += '#';
    if (change == EntryChange::keep || change == EntryChange::comment_out) edited += line;
    if (entry != parsed->entries().end() && entry->last_line == number) {
      // Behind the comments that stood inside.
      if (change == EntryChange::replace) edited += replacement;
      ++entry;
    }
  }
  if (!appended.empty() && !edited.empty() && edited.back() != '\n') edited += '\n';
  edited += appended;
  return edited;
}

}  // namespace postrider::config
