#include "rewrite/rewriter.h"

#include <catch2/catch.hpp>

using namespace postrider::rewrite;

namespace {

const RewriteRules usual{.append_dot_mydomain = true,
                         .myorigin = "origin.example",
                         .mydomain = "my.example",
                         .remote_domain = "remote.invalid"};

std::string local(std::string_view address) { return rewrite_address(address, Context::local, usual); }

}  // namespace

TEST_CASE("incomplete addresses are completed and complete ones left alone") {
  struct Case {
    const char* from;
    const char* to;
  };
  for (const Case& c : {
           Case{"", ""},
           Case{"user", "user@origin.example"},
           Case{"user@host", "user@host.my.example"},
           Case{"user@host.example", "user@host.example"},
           Case{"user@host.example.", "user@host.example"},
           Case{"user@host.", "user@host"},
           Case{"user@[192.0.2.1]", "user@[192.0.2.1]"},
           Case{"user@[IPv6:::1]", "user@[IPv6:::1]"},
           Case{"user@", "user@"},
           Case{"user@.", "user@."},
           Case{"user@host..", "user@host.."},
           Case{"site!user", "user@site.my.example"},
           Case{"one.example!two!user", "two!user@one.example"},
           Case{"site!user@host.example", "site!user@host.example"},
           Case{"user%host.example", "user@host.example"},
           Case{"user%one%two.example", "user%one@two.example"},
           Case{"user%one@two.example", "user%one@two.example"},
           Case{"\"a@b\"", "\"a@b\"@origin.example"},
           Case{"\"a!b\"@host", "\"a!b\"@host.my.example"},
           Case{"\"a%b\"", "\"a%b\"@origin.example"},
           Case{"a\\@b", "a\\@b@origin.example"},
           Case{"@relay.example:user@host.example", "user@host.example"},
           Case{"@a.example,@b.example:user@host.example", "user@host.example"},
           Case{"@host.example", "@host.example"},
           Case{"\"unbalanced", "\"unbalanced@origin.example"},
           Case{"user+ext", "user+ext@origin.example"},
       }) {
    INFO(c.from);
    CHECK(local(c.from) == c.to);
  }
}

TEST_CASE("each rewriting can be switched off") {
  RewriteRules rules = usual;
  rules.swap_bangpath = rules.percent_hack = false;
  CHECK(rewrite_address("site!user", Context::local, rules) == "site!user@origin.example");
  CHECK(rewrite_address("user%site", Context::local, rules) == "user%site@origin.example");
  rules.append_dot_mydomain = rules.append_at_myorigin = false;
  CHECK(rewrite_address("user@host", Context::local, rules) == "user@host");
  CHECK(rewrite_address("user", Context::local, rules) == "user");
}

TEST_CASE("headers of remote clients get the remote domain, or nothing at all") {
  RewriteRules rules = usual;
  rules.append_dot_mydomain = rules.append_at_myorigin = false;
  CHECK(rewrite_address("user", Context::remote, rules) == "user@remote.invalid");
  CHECK(rewrite_address("user@host", Context::remote, rules) == "user@host.remote.invalid");
  rules.remote_domain.clear();
  for (const char* address : {"user", "user@host", "site!user", "user@host.", "@a:b@c"})
    CHECK(rewrite_address(address, Context::remote, rules) == address);
}

TEST_CASE("rewriting twice changes nothing more") {
  for (const char* address : {"user", "user@host", "a!b!c", "a%b%c", "@x:y@z", "\"q r\"@s", "a@b@c", "!", "%",
                              "@", "user@host..", "a!b@c%d"}) {
    INFO(address);
    CHECK(local(local(address)) == local(address));
  }
}
