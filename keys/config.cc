#include "keys/config.h"

#include <algorithm>

#include "lib/config/catalogue.h"

namespace postrider::keys {

namespace {

using File = protocol::GetChains::File;

void add_files(const std::vector<File>& files, KeyFiles& all) {
  for (const File& file : files) {
    const auto same = [&file](const File& other) {
      return other.certificate == file.certificate && other.key == file.key;
    };
    if (std::none_of(all.files.begin(), all.files.end(), same)) all.files.push_back(file);
  }
}

bool names_tls(const std::vector<config::Override>& overrides, const std::string& prefix) {
  return std::any_of(overrides.begin(), overrides.end(), [&prefix](const config::Override& option) {
    return option.name.starts_with(prefix + "_tls_");
  });
}

}  // namespace

KeyFiles collect_files(const KeysConfig& config, const config::Values& values,
                       const config::MasterCf* master_cf) {
  KeyFiles all;
  add_files(config.smtpd.files(), all);
  add_files(config.pop3d.files(), all);
  add_files(config.imapd.files(), all);
  if (!master_cf) return all;
  for (const config::Service& service : master_cf->services()) {
    for (const char* prefix : {"smtpd", "pop3d", "imapd"}) {
      // What is said of smtpd_tls_ is the default of the others.
      if (!names_tls(service.overrides, prefix) && !names_tls(service.overrides, "smtpd")) continue;
      const config::Values with_options =
          config::Values::of(values.main_cf(), values.config_directory(), service.overrides);
      daemon::TlsServerConfig section{prefix};
      if (const Result<> loaded = section.load(with_options); !loaded) {
        all.complaints.push_back(loaded.error().text());
        continue;
      }
      add_files(section.files(), all);
    }
  }
  return all;
}

void declare_keys(config::Catalogue& catalogue) {
  for (const char* prefix : {"smtpd", "pop3d", "imapd"}) {
    catalogue.add("keys", std::make_unique<daemon::TlsServerConfig>(prefix));
  }
}

}  // namespace postrider::keys
