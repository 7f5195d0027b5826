// The environment a program of the suite keeps for itself or hands on: nothing but what the lists
// import_environment and export_environment name. Reads the process's environment, so before threads start.
#pragma once

#include <string>
#include <vector>

namespace postrider::os {

// For each "NAME" the variable as it is, if it is set; for each "NAME=value" that. "NAME=value" strings,
// later items of the same name win. Braces around an item ("{ NAME=a b }") are taken off.
std::vector<std::string> chosen_environment(const std::vector<std::string>& names);

}  // namespace postrider::os
