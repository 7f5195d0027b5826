#include "keys/key_store.h"

namespace postrider::keys {

namespace {

constexpr std::size_t max_file = 1 << 20;

}  // namespace

Result<std::string> KeyStore::keep(tls::PrivateKey key, const std::string& chain_pem,
                                   const std::string& where) {
  const auto chain = tls::describe_chain(chain_pem);
  if (!chain) return fail(chain.error().within(where));
  if (chain->key_id != key.key_id()) {
    return fail(Trouble::configuration,
                where + ": the private key does not belong to the certificate of \"" + chain->subject + "\"");
  }
  if (!chain->complaint.empty()) complaints_.push_back(where + ": " + chain->complaint);
  auto certificates = tls::only_certificates(chain_pem);
  if (!certificates) return fail(certificates.error().within(where));
  if (certificates->size() > protocol::max_chain_size) {
    return fail(Trouble::configuration, where + ": the certificate chain is too long");
  }
  std::string id = key.key_id();
  keys_.insert_or_assign(std::move(id), std::make_unique<tls::PrivateKey>(std::move(key)));
  return certificates;
}

Result<KeyStore::Entry> KeyStore::read(os::Files& files, const protocol::GetChains::File& file) {
  auto key_text = os::read_file(files, file.key, max_file);
  if (!key_text) return fail(key_text.error());
  Entry entry;
  if (file.certificate.empty()) {
    auto found = tls::PrivateKey::all_from_pem(*key_text);
    if (!found) return fail(found.error().within(file.key));
    if (found->empty()) return fail(Trouble::configuration, file.key + ": no private key found");
    for (tls::PrivateKey::WithChain& each : *found) {
      auto chain = keep(std::move(each.key), each.chain_pem, file.key);
      if (!chain) return fail(chain.error());
      entry.chains.push_back(std::move(*chain));
    }
    return entry;
  }
  auto key = tls::PrivateKey::from_pem(*key_text);
  if (!key) return fail(key.error().within(file.key));
  const auto chain_text = os::read_file(files, file.certificate, max_file);
  if (!chain_text) return fail(chain_text.error());
  auto chain = keep(std::move(*key), *chain_text, file.certificate);
  if (!chain) return fail(chain.error());
  entry.chains.push_back(std::move(*chain));
  return entry;
}

Result<> KeyStore::add(os::Files& files, const protocol::GetChains::File& file) {
  Result<Entry> entry = read(files, file);
  Entry& kept = entries_[{file.certificate, file.key}];
  if (entry) {
    kept = std::move(*entry);
    return {};
  }
  kept.trouble = entry.error().text();
  return fail(entry.error());
}

Result<std::vector<std::string>> KeyStore::chains(const protocol::GetChains::File& file) const {
  const auto found = entries_.find({file.certificate, file.key});
  if (found == entries_.end()) {
    return fail(Trouble::configuration,
                "keys has not read " + file.key + "; it was not in main.cf or master.cf when keys started");
  }
  if (!found->second.trouble.empty()) return fail(Trouble::configuration, found->second.trouble);
  return found->second.chains;
}

const tls::PrivateKey* KeyStore::find(const std::string& key_id) const {
  const auto found = keys_.find(key_id);
  return found == keys_.end() ? nullptr : found->second.get();
}

}  // namespace postrider::keys
