#include "lib/config/master_cf.h"

#include <catch2/catch.hpp>

using postrider::Result;
using postrider::Seconds;
using namespace postrider::config;

namespace {

MasterCf parsed(std::string_view text) {
  Result<MasterCf> master_cf = MasterCf::parse(text, "master.cf");
  REQUIRE(master_cf);
  return std::move(*master_cf);
}

std::string mistake(std::string_view text) {
  const Result<MasterCf> master_cf = MasterCf::parse(text, "master.cf");
  REQUIRE_FALSE(master_cf);
  CHECK(master_cf.error().is(postrider::Trouble::configuration));
  return master_cf.error().text();
}

}  // namespace

TEST_CASE("the eight fields of a service are read") {
  const MasterCf master_cf = parsed("smtp inet n - y - 50 smtpd\nqmgr unix n n n 300? 1 qmgr -v\n");
  REQUIRE(master_cf.services().size() == 2);
  const Service& smtp = master_cf.services()[0];
  CHECK(smtp.name == "smtp");
  CHECK(smtp.type == ServiceType::inet);
  CHECK_FALSE(smtp.is_private);
  CHECK(smtp.unprivileged);
  CHECK(smtp.chroot == true);
  CHECK(smtp.wakeup == Seconds(0));
  CHECK(smtp.process_limit == 50);
  CHECK(smtp.command == "smtpd");
  CHECK(smtp.line == 1);
  const Service& qmgr = master_cf.services()[1];
  CHECK(qmgr.type == ServiceType::unix_stream);
  CHECK_FALSE(qmgr.unprivileged);
  CHECK(qmgr.chroot == false);
  CHECK(qmgr.wakeup == Seconds(300));
  CHECK(qmgr.wakeup_after_use);
  CHECK(qmgr.verbosity == 1);
}

TEST_CASE("a dash stands for the default") {
  const MasterCf master_cf = parsed("x unix - - - - - y\nz inet - - - - 0 y");
  const Service& service = master_cf.services()[0];
  CHECK(service.is_private);
  CHECK(service.unprivileged);
  CHECK_FALSE(service.chroot.has_value());
  CHECK_FALSE(service.process_limit.has_value());
  CHECK_FALSE(master_cf.services()[1].is_private);
  CHECK(master_cf.services()[1].process_limit == 0);
}

TEST_CASE("every type is known") {
  const MasterCf master_cf = parsed(
      "a inet n - - - - x\nb unix n - - - - x\nc unix-dgram n - - - - x\nd fifo n - - - - x\ne pass - - n - "
      "- x\n");
  for (const Service& service : master_cf.services())
    CHECK(service_type_name(service.type) == service.fields[1]);
}

TEST_CASE("overrides are read in all their forms") {
  const MasterCf master_cf = parsed(
      "submission inet n - - - - smtpd\n  -o a=b -oc=d -v -vv -D\n# comment\n  -o { e = f g } -o {h={i j}}\n "
      "-o k=\n");
  const Service& service = master_cf.services()[0];
  REQUIRE(service.overrides.size() == 5);
  CHECK(service.overrides[0].name == "a");
  CHECK(service.overrides[0].value == "b");
  CHECK(service.overrides[0].origin == "master.cf, line 1");
  CHECK(service.overrides[1].name == "c");
  CHECK(service.overrides[1].value == "d");
  CHECK(service.overrides[2].name == "e");
  CHECK(service.overrides[2].value == "f g");
  CHECK(service.overrides[3].value == "{i j}");
  CHECK(service.overrides[4].name == "k");
  CHECK(service.overrides[4].value.empty());
  CHECK(service.verbosity == 3);
  CHECK(service.debugger);
  CHECK(service.last_line == 5);
}

TEST_CASE("arguments in braces keep their white space, empty ones included") {
  const MasterCf master_cf = parsed(
      "maildrop unix - n n - - pipe\n  flags=DRhu user=vmail argv=/usr/bin/maildrop -d ${recipient} { a  b } "
      "{} -o x=y\n");
  const std::vector<std::string> expected{
      "flags=DRhu", "user=vmail", "argv=/usr/bin/maildrop", "-d", "${recipient}", "a  b", "", "-o", "x=y"};
  CHECK(master_cf.services()[0].arguments == expected);
  CHECK(master_cf.services()[0].overrides.empty());
}

TEST_CASE("a later entry with the same name and type wins") {
  const MasterCf master_cf =
      parsed("a unix - - - - - x\nb unix - - - - - x\na unix - - - - 7 y\na inet n - - - - z\n");
  REQUIRE(master_cf.services().size() == 3);
  CHECK(master_cf.entries().size() == 4);
  CHECK(master_cf.find("a", "unix")->command == "y");
  CHECK(master_cf.find("a", "inet")->command == "z");
  CHECK(master_cf.find("c") == nullptr);
  REQUIRE(master_cf.warnings().size() == 1);
  CHECK(master_cf.warnings()[0] ==
        "master.cf, line 1: duplicate master.cf entry for service \"a\" (unix) -- using the last entry");
}

TEST_CASE("a bad field is refused with file, line and field") {
  const std::pair<const char*, const char*> cases[] = {
      {"\nsmtp inet n - - - -\n",
       "master.cf, line 2: bad field count: command is missing in \"smtp inet n - - - -\""},
      {"a foo n - - - - x", "master.cf, line 1: invalid type field \"foo\" in \"a foo n - - - - x\""},
      {"a unix N - - - - x", "master.cf, line 1: invalid private field \"N\" in \"a unix N - - - - x\""},
      {"a unix - x - - - x", "master.cf, line 1: invalid unprivileged field \"x\" in \"a unix - x - - - x\""},
      {"a unix - - q - - x", "master.cf, line 1: invalid chroot field \"q\" in \"a unix - - q - - x\""},
      {"a unix - - - ? - x", "master.cf, line 1: invalid wakeup field \"?\" in \"a unix - - - ? - x\""},
      {"a unix - - - - -1 x",
       "master.cf, line 1: invalid process_limit field \"-1\" in \"a unix - - - - -1 x\""},
      {"a unix - - - - 99999999999 x",
       "master.cf, line 1: invalid process_limit field \"99999999999\" in \"a unix - - - - 99999999999 x\""},
      {"a unix - - - - - x -o", "master.cf, line 1: -o wants name=value"},
      {"a unix - - - - - x -o y", "master.cf, line 1: -o wants name=value, not \"y\""},
      {"a unix - - - - - x -o { a", "master.cf, line 1: missing '}' in \"{ a\""},
      {"a unix - - - - - x a={ b", "master.cf, line 1: missing '}' in \"a={ b\""},
      {"a unix - - - - - x a=}{ b}", "master.cf, line 1: '}' without '{' in \"a=}{ b}\""},
      {"{a b} unix - - - - - x",
       "master.cf, line 1: invalid name field \"a b\" in \"{a b} unix - - - - - x\""},
      {"{#a} unix - - - - - x", "master.cf, line 1: invalid name field \"#a\" in \"{#a} unix - - - - - x\""},
      {"a unix - - - - - x {a}b", "master.cf, line 1: syntax error after '}' in \"{a}b\""},
  };
  for (const auto& [text, expected] : cases) CHECK(mistake(text) == expected);
}
