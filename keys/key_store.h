// The private keys in memory, found by the id of their public half, and the certificates that were
// beside them. Filled once at start, read-only afterwards; sign() from any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/os/files.h"
#include "lib/protocol/keys.h"
#include "lib/tls/certificates.h"

namespace postrider::keys {

class KeyStore {
 public:
  // Reads one entry. configuration: the text names the file and what is wrong with it; the entry is then
  // remembered with that text, so that who asks for it learns why.
  Result<> add(os::Files& files, const protocol::GetChains::File& file);

  // The chains of one entry, in PEM; configuration: the entry was not in the configuration, or is broken.
  Result<std::vector<std::string>> chains(const protocol::GetChains::File& file) const;

  // nullptr: no such key. Lives as long as the store.
  const tls::PrivateKey* find(const std::string& key_id) const;

  std::size_t size() const { return keys_.size(); }
  // Remarks about chains that some clients will not follow, for the log.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  struct Entry {
    std::vector<std::string> chains;
    std::string trouble;
  };
  Result<Entry> read(os::Files& files, const protocol::GetChains::File& file);
  Result<std::string> keep(tls::PrivateKey key, const std::string& chain_pem, const std::string& where);

  StringMap<std::unique_ptr<tls::PrivateKey>> keys_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;
  std::vector<std::string> complaints_;
};

}  // namespace postrider::keys
