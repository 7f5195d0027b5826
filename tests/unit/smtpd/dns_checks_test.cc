#include "smtpd/dns_checks.h"

#include <catch2/catch.hpp>
#include <map>

using namespace postrider;
using namespace postrider::smtpd;

namespace {

class TableResolver final : public dns::Resolver {
 public:
  std::map<std::string, Result<dns::Answer>> answers;
  event::Task<Result<dns::Answer>> lookup(std::string name, dns::Type type, MonoTime) override {
    const auto found = answers.find(name + " " + dns::type_name(type));
    if (found != answers.end()) co_return found->second;
    co_return dns::Answer();
  }
};

dns::Answer with(dns::Record record) {
  dns::Answer answer;
  answer.outcome = dns::Answer::Outcome::found;
  answer.records.push_back(std::move(record));
  return answer;
}

}  // namespace

TEST_CASE("a mail domain has MX or address records, and none when its only MX is the root") {
  TableResolver resolver;
  dns::Record host, root, address;
  host.host = "mx.example";
  address.ip = *address::IpAddress::parse("192.0.2.1");
  resolver.answers.emplace("mail.example MX", with(host));
  resolver.answers.emplace("null.example MX", with(root));
  resolver.answers.emplace("host.example A", with(address));
  resolver.answers.emplace("six.example AAAA", with(address));
  resolver.answers.emplace("slow.example MX", fail(Trouble::temporary, "Host not found, try again"));
  resolver.answers.emplace("half.example MX", fail(Trouble::temporary, "Host not found, try again"));
  resolver.answers.emplace("half.example A", with(address));
  resolver.answers.emplace("bad name MX", fail(Trouble::permanent, "Invalid domain name"));
  const std::pair<const char*, MailDomain> cases[] = {
      {"mail.example", MailDomain::exists}, {"null.example", MailDomain::no_mail},
      {"host.example", MailDomain::exists}, {"six.example", MailDomain::exists},
      {"none.example", MailDomain::absent}, {"slow.example", MailDomain::unclear},
      {"half.example", MailDomain::exists}, {"bad name", MailDomain::absent}};
  ManualClock clock;
  event::Loop loop(clock);
  for (const auto& [domain, expected] : cases) {
    INFO(domain);
    const MailDomain found = loop.run_until_done(look_up_mail_domain(resolver, domain, no_deadline));
    CHECK(found == expected);
  }
}
