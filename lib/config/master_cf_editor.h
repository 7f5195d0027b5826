// Services as text, and changes to the text of a master.cf that leave every other byte as it was.
//
// Used by prconf -M, -F and -P. Comments and blank lines stay where they are, also those inside an entry that
// is replaced.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/config/master_cf.h"

namespace postrider::config {

// One entry as postconf -M prints it, without the last newline: fields in columns, options as `-o
// name=value`. Folded, each -o has a line of its own and long lines are broken.
std::string service_text(const Service& service, bool folded);
// Its command with the arguments behind `prefix`, as postconf -F prints the last field.
std::string command_text(const Service& service, bool folded, std::string_view prefix = "");

// An entry from text such as a command line gives; configuration error for anything but one entry.
Result<Service> parse_service(const std::string& text);
// The entry with one of its eight fields changed ("service", "type", …, "command" with its arguments).
Result<Service> with_field(const Service& service, std::string_view field, const std::string& value);
// The entry with `-o name=value` set or taken out.
Result<Service> with_override(const Service& service, const std::string& name, const std::string& value);
Result<Service> without_override(const Service& service, std::string_view name);

// "service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command".
const std::vector<std::string>& service_field_names();

// "name", "name/type", either part may be `*`.
bool matches_service(const Service& service, std::string_view name, std::string_view type);

enum class EntryChange { keep, replace, remove, comment_out };
// Asked once per entry, overridden ones included; for `replace` it writes the new text, newline included.
using EntryEditor = std::function<EntryChange(const Service& service, std::string& replacement)>;

// The edited text; `appended` goes to its end. configuration: the text is no master.cf.
Result<std::string> edit_master_cf(std::string_view text, const std::string& path, const EntryEditor& editor,
                                   std::string_view appended = "");

}  // namespace postrider::config
