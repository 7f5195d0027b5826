#include "lib/config/catalogue.h"

#include <catch2/catch.hpp>

#include "lib/config/common.h"
#include "lib/config/master_cf.h"
#include "lib/config/own_networks.h"
#include "lib/config/values.h"

using namespace postrider;
using namespace postrider::config;

namespace {

struct Agent : Section {
  Integer limit{*this, "default_destination_concurrency_limit", "20", {}, "L."};
  PerService<Integer> per_service{*this, "_destination_concurrency_limit", limit};
  List classes{*this, "smtpd_restriction_classes", "", {}, "C."};
};

Catalogue catalogue() {
  Catalogue all;
  declare_common(all);
  all.add<Agent>("qmgr");
  all.add<Identity>("qmgr");
  return all;
}

std::vector<std::string> complaints(std::string_view main_cf, std::string_view master_cf = "") {
  const Result<MasterCf> services = MasterCf::parse(master_cf, "master.cf");
  REQUIRE(services);
  return check_names(Values::of_text(main_cf), &*services, catalogue());
}

}  // namespace

TEST_CASE("a catalogue knows who reads what") {
  const Catalogue all = catalogue();
  CHECK(all.conflicts().empty());
  CHECK(all.rooms() == std::vector<std::string>{"common", "qmgr"});
  CHECK(all.rooms_of("myhostname") == std::vector<std::string>{"common", "qmgr"});
  CHECK(all.find("default_destination_concurrency_limit")->type_name() == "integer");
  CHECK(all.find("nonsense") == nullptr);
  const auto settings = all.settings_of("qmgr");
  REQUIRE(settings.size() > 3);
  CHECK(settings.front()->name() == "compatibility_level");
}

TEST_CASE("two declarations of one parameter that differ are a conflict") {
  struct Wrong : Section {
    Text myhostname{*this, "myhostname", "other", {}, "W."};
  };
  Catalogue all = catalogue();
  all.add<Wrong>("wrong");
  CHECK(all.conflicts() == std::vector<std::string>{"myhostname"});
}

TEST_CASE("a misspelt name draws one warning that names the nearest parameter") {
  CHECK(complaints("myhostnme = a\nmyhostname = b\n") ==
        std::vector<std::string>{"main.cf: unused parameter: myhostnme=a (did you mean myhostname?)"});
  CHECK(complaints("completely_made_up_thing = 1\n") ==
        std::vector<std::string>{"main.cf: unused parameter: completely_made_up_thing=1"});
}

TEST_CASE("a parameter of Postfix without effect is said to be one") {
  CHECK(complaints("smtp_tls_mandatory_ciphers = high\n") ==
        std::vector<std::string>{"main.cf: unused parameter: smtp_tls_mandatory_ciphers=high (known to "
                                 "Postfix, without effect here)"});
}

TEST_CASE("names that belong to the administrator draw no warning") {
  CHECK(complaints("mine = a\nrelayhost = $mine\n").empty());
  CHECK(complaints("virtual_maps = hash:/x\n").empty());
  CHECK(
      complaints("smtpd_restriction_classes = greylist, other\ngreylist = permit\nother = reject\n").empty());
  CHECK(complaints("alias_maps = ldap:accounts\naccounts_server_host = localhost\n").empty());
  CHECK(complaints("slow_destination_concurrency_limit = 1\n", "slow unix - - - - - smtp\n").empty());
  CHECK(complaints("slow_destination_concurrency_limit = 1\n").size() == 1);
  CHECK(complaints("mine = x\n", "slow unix - - - - - smtp -o relayhost=$mine\n").empty());
}

TEST_CASE("names in master.cf are checked too") {
  CHECK(complaints("", "slow unix - - - - - smtp -o myhostnam=x\n") ==
        std::vector<std::string>{"master.cf: unused parameter: myhostnam=x (did you mean myhostname?)"});
}

TEST_CASE("the list of Postfix's parameters is in order") {
  for (const char* name : {"2bounce_notice_recipient", "smtpd_banner", "myhostname", "virtual_uid_maps"})
    CHECK(is_postfix_parameter(name));
  CHECK_FALSE(is_postfix_parameter("network_owner"));
}

TEST_CASE("own networks print as Postfix prints them") {
  using postrider::address::IpAddress;
  const std::vector<InterfaceAddress> addresses{{*IpAddress::parse("::1"), 128},
                                                {*IpAddress::parse("127.0.0.1"), 8},
                                                {*IpAddress::parse("192.0.2.2"), 25}};
  CHECK(networks_text(addresses, "subnet") == "127.0.0.0/8 192.0.2.0/25 [::1]/128");
  CHECK(networks_text(addresses, "host") == "127.0.0.1/32 192.0.2.2/32 [::1]/128");
  CHECK(networks_text(addresses, "class") == "127.0.0.0/8 192.0.2.0/24 [::1]/128");
}
