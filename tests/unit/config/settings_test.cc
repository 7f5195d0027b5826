#include "lib/config/settings.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "lib/config/catalogue.h"
#include "lib/config/common.h"
#include "lib/config/values.h"

using namespace postrider;
using config::Values;

namespace {

enum class Tls { none, may, encrypt };

struct Sample : config::Section {
  config::Duration timeout{
      *this, "sample_timeout", "${stress?{10}:{300}}s", {.unit = 's', .min = 1, .max = 3600}, "T."};
  config::Duration lifetime{*this, "sample_lifetime", "5d", {.unit = 'd'}, "L."};
  config::FineDuration rate{*this, "sample_rate_delay", "0s", {}, "R."};
  config::Integer limit{*this, "sample_limit", "20", {.min = 1, .max = 100}, "I."};
  config::Integer soft_limit{*this, "sample_soft_limit", "$sample_limit", {}, "S."};
  config::Bytes size{*this, "sample_size", "10k", {}, "B."};
  config::Boolean enabled{*this, "sample_enabled", "yes", "E."};
  config::Text banner{*this, "sample_banner", "$myhostname ESMTP $mail_name", {}, "Banner."};
  config::Text renamed{*this, "sample_new_name", "default", {.legacy = "sample_old_name"}, "N."};
  config::RawText command{*this, "sample_command", "$user", {}, "C."};
  config::List hosts{*this, "sample_hosts", "a, b", {}, "H."};
  config::Enum<Tls> tls{
      *this, "sample_tls", "may", {{"none", Tls::none}, {"may", Tls::may}, {"encrypt", Tls::encrypt}}, "W."};
  config::PerService<config::Integer> service_limit{*this, "_sample_limit", limit};
};

}  // namespace

TEST_CASE("settings hold their defaults after loading") {
  Sample sample;
  REQUIRE(sample.load(Values::of_text("myhostname = mx.example.org\n")));
  CHECK(sample.timeout() == Seconds(300));
  CHECK(sample.lifetime() == Seconds(5 * 86400));
  CHECK(sample.rate() == Milliseconds(0));
  CHECK(sample.limit() == 20);
  CHECK(sample.soft_limit() == 20);
  CHECK(sample.size() == 10240);
  CHECK(sample.enabled());
  CHECK(sample.banner() == "mx.example.org ESMTP Postrider");
  CHECK(sample.renamed() == "default");
  CHECK(sample.command() == "$user");
  CHECK(sample.hosts() == std::vector<std::string>{"a", "b"});
  CHECK(sample.tls() == Tls::may);
}

TEST_CASE("settings take what main.cf says") {
  Sample sample;
  REQUIRE(sample.load(
      Values::of_text("stress = yes\nsample_lifetime = 2\nsample_rate_delay = 250ms\nsample_limit = 7\n"
                      "sample_size=1m\nsample_enabled = NO\nsample_old_name = old\nsample_tls = Encrypt\n"
                      "sample_command = /bin/x $user $home\nx = q\nsample_hosts = {a b} $x,$x\n")));
  CHECK(sample.timeout() == Seconds(10));
  CHECK(sample.lifetime() == Seconds(2 * 86400));
  CHECK(sample.rate() == Milliseconds(250));
  CHECK(sample.limit() == 7);
  CHECK(sample.soft_limit() == 7);
  CHECK(sample.size() == 1048576);
  CHECK_FALSE(sample.enabled());
  CHECK(sample.renamed() == "old");
  CHECK(sample.command() == "/bin/x $user $home");
  CHECK(sample.hosts() == std::vector<std::string>{"{a b}", "q", "q"});
  CHECK(sample.tls() == Tls::encrypt);
}

TEST_CASE("an override wins over main.cf and the last override over the first") {
  Result<config::MainCf> main_cf = config::MainCf::parse("sample_limit = 7\n", "main.cf");
  REQUIRE(main_cf);
  const Values values =
      Values::of(*main_cf, "/etc/postrider",
                 {{"sample_limit", "8", "master.cf, line 3"}, {"sample_limit", "9", "master.cf, line 3"}});
  Sample sample;
  REQUIRE(sample.load(values));
  CHECK(sample.limit() == 9);
  CHECK(values.origin("sample_limit") == "master.cf, line 3");
}

TEST_CASE("a bad value names file, line, parameter, value and the legal range") {
  const std::pair<const char*, const char*> cases[] = {
      {"\nsample_timeout = 0\n",
       "main.cf, line 2: sample_timeout = 0: must be a time with one of the units s m h d w, 1s to 1h"},
      {"sample_timeout = 2h\n",
       "main.cf, line 1: sample_timeout = 2h: must be a time with one of the units s m h d w, 1s to 1h"},
      {"sample_timeout = soon\n",
       "main.cf, line 1: sample_timeout = soon: must be a time with one of the units s m h d w, 1s to 1h"},
      {"sample_limit = 0\n", "main.cf, line 1: sample_limit = 0: must be a number, 1 to 100"},
      {"sample_limit = 12x\n", "main.cf, line 1: sample_limit = 12x: must be a number, 1 to 100"},
      {"sample_limit = $y\ny = 200\n",
       "main.cf, line 1: sample_limit = $y (200): must be a number, 1 to 100"},
      {"sample_size = 1t\n", "main.cf, line 1: sample_size = 1t: must be a number of bytes, at least 0"},
      {"sample_enabled = maybe\n", "main.cf, line 1: sample_enabled = maybe: must be yes or no"},
      {"sample_tls = full\n", "main.cf, line 1: sample_tls = full: must be none, may or encrypt"},
      {"sample_hosts = {a b\n", "main.cf, line 1: sample_hosts = {a b: '{' without '}'"},
      {"sample_banner = ${x\n", "main.cf, line 1: sample_banner = ${x: truncated macro reference: \"${x\""},
  };
  for (const auto& [text, wanted] : cases) {
    Sample sample;
    const Result<> loaded = sample.load(Values::of_text(text));
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().is(Trouble::configuration));
    // A setting that falls back on the bad one complains after it.
    CHECK(loaded.error().text().substr(0, std::string_view(wanted).size()) == wanted);
  }
}

TEST_CASE("a load that fails changes nothing") {
  Sample sample;
  REQUIRE(sample.load(Values::of_text("sample_limit = 5\n")));
  CHECK_FALSE(sample.load(Values::of_text("sample_limit = 6\nsample_enabled = x\n")));
  CHECK(sample.limit() == 5);
}

TEST_CASE("all mistakes are told at once") {
  Sample sample;
  const Result<> loaded = sample.load(Values::of_text("sample_enabled = x\nsample_tls = y\n"));
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().text() ==
        "main.cf, line 1: sample_enabled = x: must be yes or no; "
        "main.cf, line 2: sample_tls = y: must be none, may or encrypt");
}

TEST_CASE("a condition counts the administrator's own names by what is written") {
  Sample sample;
  REQUIRE(sample.load(
      Values::of_text("a = $nothing\nb =\nsample_banner = ${a?1}${b?2}${c?3}${sample_banner?4}\n")));
  CHECK(sample.banner() == "14");
  // A program's parameter counts by its value.
  REQUIRE(
      sample.load(Values::of_text("sample_new_name = $nothing\nsample_banner = ${sample_new_name?x}y\n")));
  CHECK(sample.banner() == "y");
}

TEST_CASE("a parameter that refers to itself is refused, however long the way round") {
  Sample sample;
  CHECK_FALSE(sample.load(Values::of_text("sample_banner = $sample_banner\n")));
  const Result<> loaded = sample.load(Values::of_text("sample_banner = $a\na = $b\nb = x$a\n"));
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().text().find("refers to itself") != std::string::npos);
}

TEST_CASE("names that double at each step cost no more than their sum") {
  std::string text = "sample_banner = $a0\n";
  for (int i = 0; i < 90; ++i)
    text += "a" + std::to_string(i) + " = $a" + std::to_string(i + 1) + "$a" + std::to_string(i + 1) + "\n";
  Sample sample;
  CHECK(sample.load(Values::of_text(text)));
  CHECK(sample.banner().empty());
}

TEST_CASE("a per-service name has its own value or that of the family") {
  const Values values = Values::of_text("slow_sample_limit = 2\nbad_sample_limit = 0\n");
  Sample sample;
  REQUIRE(sample.load(values));
  CHECK(sample.service_limit.of(values, "smtp") == 20);
  CHECK(sample.service_limit.of(values, "slow") == 2);
  const auto bad = sample.service_limit.of(values, "bad");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().text() == "main.cf, line 2: bad_sample_limit = 0: must be a number, 1 to 100");
}

TEST_CASE("sections loaded together see each other's defaults") {
  struct Other : config::Section {
    config::Integer twin{*this, "other_twin", "$sample_limit", {}, "T."};
  };
  Values values = Values::of_text("");
  Sample sample;
  Other other;
  REQUIRE(config::load(values, {&other, &sample}));
  CHECK(other.twin() == 20);
}

TEST_CASE("host and domain default to each other's parts") {
  const Values values = Values::of_text("myhostname = mail.example.org\n");
  CHECK(*values.text("mydomain") == "example.org");
  CHECK(*values.text("myorigin") == "mail.example.org");
  CHECK(*values.text("mydestination") == "mail.example.org, localhost.example.org, localhost");
  const Values mutual = Values::of_text("myhostname = mail.$a\na = $mydomain\n");
  const std::string own_domain = *Values::of_text("").text("mydomain");
  CHECK(*mutual.text("mydomain") == own_domain);
  CHECK(*mutual.text("myhostname") == "mail." + own_domain);
  CHECK(Values::of_text("inet_interfaces = $mynetworks\n").text("mynetworks"));
  const Values bare = Values::of_text("");
  CHECK(bare.text("myhostname")->find('.') != std::string::npos);
  CHECK_FALSE(bare.text("mydomain")->empty());
}

TEST_CASE("the compatibility level chooses defaults") {
  CHECK(*Values::of_text("").text("mynetworks_style") == "subnet");
  CHECK(*Values::of_text("compatibility_level = 3.6\n").text("mynetworks_style") == "host");
  CHECK(*Values::of_text("compatibility_level = 2\n").text("relay_domains") == "");
  CHECK(*Values::of_text("syslog_name = x\n").text("syslog_name") == "x");
  CHECK(*Values::of_text("multi_instance_name = postfix-out\n").text("syslog_name") == "postfix-out");
}

TEST_CASE("common sections load with their defaults") {
  config::Catalogue catalogue;
  declare_common(catalogue);
  CHECK(catalogue.conflicts().empty());
  const Values values = Values::of_text("");
  config::Identity identity;
  config::Process process;
  config::Paths paths;
  config::Logging logging;
  config::Network network;
  config::Domains domains;
  config::Limits limits;
  config::Services services;
  config::Tables tables;
  for (config::Section* section : std::initializer_list<config::Section*>{
           &identity, &process, &paths, &logging, &network, &domains, &limits, &services, &tables}) {
    const Result<> loaded = section->load(values);
    INFO((loaded ? "" : loaded.error().text()));
    CHECK(loaded);
  }
  CHECK(paths.config_directory() == "/etc/postrider");
  CHECK(limits.message_size_limit() == 10240000);
  CHECK(process.max_idle() == Seconds(100));
}

TEST_CASE("every parameter documents itself in a sentence") {
  config::Catalogue catalogue;
  declare_common(catalogue);
  for (const auto& [name, setting] : catalogue.settings()) {
    INFO(name);
    CHECK(setting->documentation().ends_with("."));
  }
}
