#include "lib/os/environment.h"

#include <cstdlib>

#include <catch2/catch.hpp>

using namespace postrider::os;

TEST_CASE("only named variables are kept, and given values win over the environment") {
  ::setenv("POSTRIDER_TEST_A", "from outside", 1);
  ::setenv("POSTRIDER_TEST_B", "from outside", 1);
  ::unsetenv("POSTRIDER_TEST_C");
  CHECK(chosen_environment({"POSTRIDER_TEST_A", "POSTRIDER_TEST_C", "LANG=C", "", "=x"}) ==
        std::vector<std::string>{"POSTRIDER_TEST_A=from outside", "LANG=C"});
  CHECK(chosen_environment({"POSTRIDER_TEST_B", "POSTRIDER_TEST_B=here", "{ X = a b }"}) ==
        std::vector<std::string>{"POSTRIDER_TEST_B=here", "X=a b"});
  ::unsetenv("POSTRIDER_TEST_A");
  ::unsetenv("POSTRIDER_TEST_B");
}
