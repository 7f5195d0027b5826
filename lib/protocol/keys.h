// What keys is asked by the TLS servers: the certificates that go with its keys, one signature over one
// digest, and the keys of session tickets. It cannot be asked to decrypt, nor for a private key.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ipc/codec.h"
#include "lib/tls/sign_request.h"

namespace postrider::protocol {

inline constexpr std::size_t max_chain_size = 256 * 1024;

// The certificates that go with the keys of these files, which are named in the configuration that keys
// has read itself: a name it has not read there is refused.
struct GetChains {
  static constexpr std::string_view name = "keys.get-chains/1";
  struct File {
    std::string certificate;  // "" for a file of smtpd_tls_chain_files, which holds both
    std::string key;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
      v.text(self.certificate, 4096);
      v.text(self.key, 4096);
    }
  };
  std::vector<File> files;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.list(self.files, 16);
  }
};

struct Chains {
  static constexpr std::string_view name = "keys.chains/1";
  std::vector<std::string> chains;  // PEM, certificates only
  std::string trouble;              // not empty: why there are none; then nothing can be signed
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.texts(self.chains, 16, max_chain_size);
    v.text(self.trouble, 512);
  }
};

struct Sign {
  static constexpr std::string_view name = "keys.sign/1";
  tls::SignRequest request;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.request.key_id, tls::key_id_size);
    v.word(self.request.kind, tls::SignatureKind::ecdsa);
    v.word(self.request.hash, tls::SignatureHash::sha512);
    v.text(self.request.digest, tls::max_digest_size);
  }
};

struct Signed {
  static constexpr std::string_view name = "keys.signed/1";
  std::string signature;  // empty: refused, see trouble
  std::string trouble;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.signature, tls::max_signature_size);
    v.text(self.trouble, 512);
  }
};

struct GetTicketKeys {
  static constexpr std::string_view name = "keys.get-tickets/1";
  std::string service;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.service, 64);
  }
};

// The first makes new tickets; ask again at `renew`.
struct TicketKeys {
  static constexpr std::string_view name = "keys.tickets/1";
  struct Key {
    std::string key_name, cipher, mac;  // 16, 32 and 32 bytes
    template <class Self, class V>
    static void fields(Self& self, V& v) {
      v.text(self.key_name, 16);
      v.text(self.cipher, 32);
      v.text(self.mac, 32);
    }
  };
  std::vector<Key> keys;
  Microseconds renew{};
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.list(self.keys, 8);
    v.duration(self.renew);
  }
};

}  // namespace postrider::protocol
