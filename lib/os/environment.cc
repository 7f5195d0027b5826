#include "lib/os/environment.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "lib/base/text.h"

namespace postrider::os {

std::vector<std::string> chosen_environment(const std::vector<std::string>& names) {
  std::vector<std::string> chosen;
  for (std::string_view item : names) {
    if (item.size() >= 2 && item.front() == '{' && item.back() == '}') {
      item = trim(item.substr(1, item.size() - 2));
    }
    const std::size_t equals = item.find('=');
    const std::string name(trim(item.substr(0, equals)));
    if (name.empty()) continue;
    std::string entry = name + "=";
    if (equals != std::string_view::npos) {
      entry += trim(item.substr(equals + 1));
    } else {
      const char* value = std::getenv(name.c_str());
      if (value == nullptr) continue;
      entry += value;
    }
    std::erase_if(chosen, [&](const std::string& other) { return other.starts_with(name + "="); });
    chosen.push_back(std::move(entry));
  }
  return chosen;
}

}  // namespace postrider::os
