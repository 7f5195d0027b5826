#include <fstream>

#include <unistd.h>
#include <catch2/catch.hpp>

#include "lib/config/values.h"
#include "rewrite/config.h"
#include "rewrite/resolver.h"

using namespace postrider;
using namespace postrider::rewrite;

namespace {

Result<ResolverSettings> from(const std::string& main_cf) {
  RewriteConfig config;
  config::Identity identity;
  config::Domains domains;
  config::Network network;
  config::Values values = config::Values::of_text(main_cf);
  const Result<> loaded = config::load(values, {&config, &identity, &domains, &network});
  if (!loaded) return fail(loaded.error());
  return resolver_settings(config, identity, domains, network);
}

}  // namespace

TEST_CASE("defaults are Postfix's") {
  const auto s = from("myhostname = mail.example.org\ncompatibility_level = 3.6\n");
  REQUIRE(s.has_value());
  CHECK(s->rewriting.myorigin == "mail.example.org");
  CHECK(s->rewriting.mydomain == "example.org");
  CHECK_FALSE(s->rewriting.append_dot_mydomain);
  CHECK(s->local_transport == "local:mail.example.org");
  CHECK(s->mydestination ==
        std::vector<std::string>{"mail.example.org", "localhost.example.org", "localhost"});
  CHECK(s->relay_domains.empty());
  CHECK(s->local_recipient_maps == "proxy:unix:passwd.byname, hash:/etc/aliases");
  CHECK_FALSE(s->transport_parents_match);
  CHECK(s->relay_parents_match);
  CHECK(s->is_own_address("127.0.0.1"));
  CHECK_FALSE(s->is_own_address("192.0.2.77"));
}

TEST_CASE("old compatibility levels append mydomain and relay for mydestination") {
  const auto s = from("myhostname = mail.example.org\ncompatibility_level = 0\n");
  REQUIRE(s.has_value());
  CHECK(s->rewriting.append_dot_mydomain);
  CHECK(s->relay_domains == s->mydestination);
}

TEST_CASE("myorigin and domain lists may stand in files") {
  std::string pattern = "/tmp/postrider-rewrite-XXXXXX";
  const int fd = mkstemp(pattern.data());
  REQUIRE(fd >= 0);
  close(fd);
  std::ofstream(pattern) << "# names\norigin.example\nsecond.example\n";
  const auto s = from("myorigin = " + pattern + "\nmydestination = a.example, " + pattern + "\n");
  REQUIRE(s.has_value());
  CHECK(s->rewriting.myorigin == "origin.example");
  CHECK(s->mydestination == std::vector<std::string>{"a.example", "origin.example", "second.example"});
  unlink(pattern.c_str());
  const auto missing = from("myorigin = " + pattern + "\n");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().is(Trouble::configuration));
  CHECK(missing.error().text().starts_with("myorigin: "));
}

TEST_CASE("proxy_interfaces are addresses of ours") {
  const auto s = from("inet_interfaces = loopback-only\nproxy_interfaces = 192.0.2.77, [2001:db8::7]\n");
  REQUIRE(s.has_value());
  CHECK(s->is_own_address("192.0.2.77"));
  CHECK(s->is_own_address("2001:db8::7"));
}
