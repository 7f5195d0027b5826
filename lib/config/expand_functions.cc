#include "lib/config/expand_functions.h"

#include <cstdlib>
#include <memory>

#include <fmt/core.h>
#include <idn2.h>

#include "lib/base/log.h"

namespace postrider::config {

Result<std::string> call_function(std::string_view name, const std::string& argument) {
  // A domain name has at most 255 bytes; libidn2 is spared anything much longer.
  constexpr std::size_t max_domain = 1024;
  int (*convert)(const char*, char**, int) = nullptr;
  if (name == "domain_to_ascii") convert = idn2_to_ascii_8z;
  if (name == "domain_to_unicode") convert = idn2_to_unicode_8z8z;
  if (convert == nullptr)
    return fail(Trouble::configuration, fmt::format("no function of this name: \"{}\"", printable(name)));
  if (argument.size() > max_domain) return argument;
  char* made = nullptr;
  const int status = convert(argument.c_str(), &made, IDN2_NONTRANSITIONAL);
  const std::unique_ptr<char, decltype(&std::free)> keeper(made, &std::free);
  return status == IDN2_OK && made != nullptr ? std::string(made) : argument;
}

}  // namespace postrider::config
