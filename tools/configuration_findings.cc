#include "tools/configuration_findings.h"

#include "lib/config/master_cf.h"
#include "lib/config/values.h"

namespace postrider::tools {

std::vector<Finding> configuration_findings(const std::string& config_directory) {
  std::vector<Finding> findings;
  const auto values = config::Values::load(config_directory);
  const auto master_cf = config::MasterCf::read(config_directory + "/master.cf");
  if (!values) findings.push_back({true, values.error().text(), ""});
  if (!master_cf) findings.push_back({true, master_cf.error().text(), ""});
  if (!findings.empty()) return findings;
  for (const std::string& text : values->warnings()) findings.push_back({false, text, ""});
  for (const std::string& text : master_cf->warnings()) findings.push_back({false, text, ""});
  return findings;
}

}  // namespace postrider::tools
