#include "master/command.h"

#include <cstdlib>
#include <vector>

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::master;

namespace {

Result<Options> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "master");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

}  // namespace

TEST_CASE("options of master are Postfix's") {
  ::setenv("MAIL_CONFIG", "/etc/from-environment", 1);
  CHECK(parse({})->config_directory == "/etc/from-environment");
  ::unsetenv("MAIL_CONFIG");
  const auto options = parse({"-c", "/etc/x", "-e", "60", "-vv", "-sd"});
  REQUIRE(options);
  CHECK(options->config_directory == "/etc/x");
  CHECK(options->exit_after == 60);
  CHECK(options->verbose == 2);
  CHECK(options->keep_output);
  CHECK(options->keep_terminal);
  CHECK(parse({"-c", "relative"})->config_directory.starts_with('/'));
  CHECK(parse({"-t"})->test_lock);
  CHECK(parse({"-w"})->wait_for_start);
}

TEST_CASE("options of master that make no sense are refused") {
  CHECK(parse({"-x"}).error().text() == "unknown option -x");
  CHECK(parse({"-c"}).error().text() == "option -c needs a value");
  CHECK(parse({"-e", "soon"}).error().text() == "option -e: \"soon\" is no number of seconds");
  CHECK(parse({"start"}).error().text() == "unexpected argument start");
  CHECK(parse({"-i"}).error().text() == "option -i is only for process 1");
  CHECK(parse({"-w", "-s"}).error().text() == "option -w does not go with -i or -s");
}
