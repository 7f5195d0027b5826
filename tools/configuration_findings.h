// What is wrong with main.cf and master.cf, as findings of `postrider check`.
#pragma once

#include <string>
#include <vector>

#include "tools/installation.h"

namespace postrider::tools {

std::vector<Finding> configuration_findings(const std::string& config_directory);

}  // namespace postrider::tools
