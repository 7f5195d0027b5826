#include "lib/tls/certificates.h"

#include <array>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "lib/tls/openssl.h"

namespace postrider::tls {

namespace {

WallTime wall_time(const ASN1_TIME* time) {
  // The distance from 1970 in days and seconds, so that no local time zone is involved.
  struct Free {
    void operator()(ASN1_TIME* t) const { ASN1_TIME_free(t); }
  };
  const std::unique_ptr<ASN1_TIME, Free> epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (!epoch || ASN1_TIME_diff(&days, &seconds, epoch.get(), time) != 1) return {};
  return WallTime(Seconds(std::int64_t{days} * 86400 + seconds));
}

}  // namespace

Result<ChainSummary> describe_chain(std::string_view pem) {
  const auto chain = parse_certificates(pem);
  if (!chain) return fail(chain.error());
  const int count = sk_X509_num(chain->get());
  if (count == 0) return fail(Trouble::configuration, "no certificate found");
  X509* leaf = sk_X509_value(chain->get(), 0);
  EVP_PKEY* key = X509_get0_pubkey(leaf);
  if (!key) return fail(Trouble::configuration, "certificate without a usable key: " + library_error());
  if (auto checked = check_key_type(key); !checked) return fail(checked.error());
  ChainSummary summary;
  for (int i = 0; i + 1 < count && summary.complaint.empty(); ++i) {
    X509* subject = sk_X509_value(chain->get(), i);
    X509* issuer = sk_X509_value(chain->get(), i + 1);
    if (X509_check_issued(issuer, subject) != X509_V_OK ||
        X509_verify(subject, X509_get0_pubkey(issuer)) != 1) {
      ERR_clear_error();
      summary.complaint = "the certificate of \"" +
                          name_entry(X509_get_subject_name(subject), NID_commonName) +
                          "\" is not signed by the one that follows it";
    }
  }
  summary.key_id = key_id_of(key);
  summary.key_type = key_type_of(key);
  summary.subject = name_entry(X509_get_subject_name(leaf), NID_commonName);
  summary.fingerprint = fingerprint_of(leaf);
  summary.not_before = wall_time(X509_get0_notBefore(leaf));
  summary.not_after = wall_time(X509_get0_notAfter(leaf));
  summary.certificates = count;
  return summary;
}

Result<std::string> only_certificates(std::string_view pem) {
  const auto chain = parse_certificates(pem);
  if (!chain) return fail(chain.error());
  const BioOwner bio(BIO_new(BIO_s_mem()));
  if (!bio) return fail(Trouble::temporary, "out of memory");
  for (int i = 0; i < sk_X509_num(chain->get()); ++i) {
    if (PEM_write_bio_X509(bio.get(), sk_X509_value(chain->get(), i)) != 1) {
      return fail(Trouble::temporary, "certificate cannot be written: " + library_error());
    }
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace postrider::tls
