// Dovecot's variables in settings: `%u`, `%08Xu`, `%1.2Ln`, `%{uid | hex(8)}`.
//
// Short form: % [offset.] [0][width] modifiers letter, modifiers X (hexadecimal), L, U (case), M (MD5 in
// hexadecimal), R (reversed). Long form: %{name} or %{name | filter…}, filters lower, upper, hex(width), md5,
// username, domain. `%%` is a percent.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider::mailbox {

// A variable's value by its long name, nothing when there is no such variable. Short letters are
// asked for as themselves ("u").
using PercentLookup = std::function<std::optional<std::string>(std::string_view name)>;

// configuration: not this grammar, or an unknown variable.
Result<std::string> expand_percent(std::string_view text, const PercentLookup& lookup);

std::string md5_hex(std::string_view bytes);

}  // namespace postrider::mailbox
