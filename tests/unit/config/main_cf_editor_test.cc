#include "lib/config/main_cf_editor.h"

#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <string>

#include "lib/os/files.h"

using namespace postrider;
using namespace postrider::config;

namespace {

constexpr std::string_view original =
    "# top\nmyhostname = a\n\n# mid\nrelayhost = x\n  y\n  # c\n\n  z\nmyhostname = b\n# end";

}  // namespace

TEST_CASE("setting replaces definitions in place and appends new ones in order") {
  const EditedText edited =
      set_in_main_cf(original, {{"myhostname", "new"}, {"relayhost", "r  q"}, {"zeta", ""}, {"alpha", "1"}});
  CHECK(edited.text ==
        "# top\nmyhostname = new\n\n# mid\nrelayhost = r  q\n  # c\n\nmyhostname = new\n# end\nzeta = "
        "\nalpha = 1\n");
  CHECK(edited.warnings == std::vector<std::string>{"multiple entries for \"myhostname\""});
}

TEST_CASE("of two settings of one name the last counts") {
  CHECK(set_in_main_cf("a = 1\n", {{"a", "2"}, {"b", "3"}, {"b", "4"}, {"a", "5"}}).text == "a = 5\nb = 4\n");
}

TEST_CASE("removing leaves comments and everything else") {
  const EditedText edited = remove_from_main_cf(original, {"myhostname", "relayhost", "nosuch"});
  CHECK(edited.text == "# top\n\n# mid\n  # c\n\n# end");
}

TEST_CASE("commenting out keeps every line") {
  const EditedText edited = comment_out_of_main_cf(original, {"myhostname", "relayhost"});
  CHECK(edited.text ==
        "# top\n#myhostname = a\n\n# mid\n#relayhost = x\n#  y\n  # c\n\n#  z\n#myhostname = b\n# end");
}

TEST_CASE("an edit that touches nothing changes no byte") {
  CHECK(remove_from_main_cf(original, {"other"}).text == original);
  CHECK(comment_out_of_main_cf(original, {}).text == original);
  CHECK(set_in_main_cf(original, {}).text == original);
}

TEST_CASE("a name whose equals sign stands on the next line is found") {
  CHECK(set_in_main_cf("a\n  = b\nc = d\n", {{"a", "x"}}).text == "a = x\nc = d\n");
}

TEST_CASE("a rewritten file keeps its mode") {
  std::string path = "/tmp/config-editor-test-XXXXXX";
  const int fd = ::mkstemp(path.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  REQUIRE(::chmod(path.c_str(), 0640) == 0);
  CHECK(rewrite_file(path, "a = b\n"));
  CHECK(os::read_file(os::system_files(), path, 100) == std::string("a = b\n"));
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
  ::unlink(path.c_str());
  CHECK_FALSE(rewrite_file(path, "x"));
}
