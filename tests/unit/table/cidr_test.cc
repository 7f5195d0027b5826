#include <catch2/catch.hpp>

#include "tests/unit/table/scratch.h"

using namespace postrider;
using namespace postrider::table;

TEST_CASE("the first range that holds the address decides") {
  Scratch scratch;
  const std::string file = scratch.write("m",
                                         "10.0.0.0/8 ten\n"
                                         "192.0.2.1 host\n"
                                         "192.0.2.0/24  net two\n"
                                         "[2001:db8::]/32 six\n"
                                         "[2001:db9::/32] six2\n"
                                         "2001:dba::/33 six3\n"
                                         "::ffff:1.2.3.4 mapped\n"
                                         "if 127.0.0.0/8\n"
                                         "127.0.0.1 lo\n"
                                         "if !127.1.0.0/16\n"
                                         "0.0.0.0/0 other-loop\n"
                                         "endif\n"
                                         "ENDIF\n"
                                         "!198.51.100.0/24 not198\n");
  struct Case {
    const char* key;
    const char* value;
  };
  for (const Case& c :
       {Case{"10.2.3.4", "ten"}, Case{"192.0.2.1", "host"}, Case{"192.0.2.255", "net two"},
        Case{"2001:db8::1", "six"}, Case{"2001:DB9:0::1", "six2"}, Case{"2001:dba:7fff::", "six3"},
        Case{"2001:dba:8000::", "<none>"}, Case{"::ffff:1.2.3.4", "mapped"}, Case{"127.0.0.1", "lo"},
        Case{"127.0.0.2", "other-loop"}, Case{"127.1.0.2", "not198"}, Case{"198.51.100.7", "<none>"},
        Case{"8.8.8.8", "not198"}, Case{"fe80::1", "<none>"}, Case{"name.example", "<none>"},
        Case{"10.2.3", "<none>"}, Case{"10.2.3.4 ", "<none>"}, Case{"010.2.3.4", "<none>"}}) {
    INFO(c.key);
    CHECK(ask("cidr:" + file, c.key, scratch.context) == c.value);
  }
  CHECK(scratch.log.text().empty());
}

TEST_CASE("ranges that say nothing clear are skipped with the reason") {
  Scratch scratch;
  struct Case {
    const char* rule;
    const char* warning;
  };
  for (const Case& c :
       {Case{"192.168.1.5/24 x",
             "non-null host address bits in \"192.168.1.5/24\", perhaps you should use \"192.168.1.0/24\" "
             "instead: skipping this rule"},
        Case{"300.1.1.1 x", "bad address pattern: \"300.1.1.1\": skipping this rule"},
        Case{"1.2.3.4/33 x", "bad mask length in \"1.2.3.4/33\": skipping this rule"},
        Case{"::/129 x", "bad mask length in \"::/129\": skipping this rule"},
        Case{"1.2.3.4/-1 x", "bad mask length in \"1.2.3.4/-1\": skipping this rule"},
        Case{"1.2.3.4", "no lookup result: skipping this rule"},
        Case{"endif", "ENDIF without IF: skipping this rule"},
        Case{"if !203.0.113.0/24", "IF has no matching ENDIF"}}) {
    INFO(c.rule);
    MemoryLog log;
    const Context context{os::system_files(), log, scratch.clock};
    const std::string file = scratch.write("m", std::string(c.rule) + "\n203.0.113.0/24 ok\n");
    const std::string expected = std::string_view(c.rule).starts_with("if") ? "<none>" : "ok";
    CHECK(ask("cidr:" + file, "203.0.113.9", context) == expected);
    CHECK(log.text() == "warning: cidr map " + file + ", line 1: " + c.warning + "\n");
  }
}
