// The functions of `${fn{argument}}`.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider::config {

// domain_to_ascii, domain_to_unicode: IDNA 2008 forms of a domain name; a name that has no such form stays as
// it is. configuration: no function of that name.
Result<std::string> call_function(std::string_view name, const std::string& argument);

}  // namespace postrider::config
