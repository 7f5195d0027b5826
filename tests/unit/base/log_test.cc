#include "lib/base/log.h"
#include "lib/base/error.h"

#include <catch2/catch.hpp>

using namespace postrider;

TEST_CASE("a log line cannot carry control characters") {
  MemoryLog log;
  log.warning("bad HELO: {}", "a\nb\x1b[2J\x7f");
  CHECK(log.text() == "warning: bad HELO: a?b?[2J?\n");
}

TEST_CASE("debug lines are written only when verbose") {
  MemoryLog log;
  log.debug("one");
  log.set_verbose(true);
  log.debug("two");
  CHECK(log.text() == "two\n");
}

TEST_CASE("errno decides what the receiver of an error can do") {
  CHECK(Error::from_errno(ENOSPC, "write x").is(Trouble::no_space));
  CHECK(Error::from_errno(EDQUOT, "write x").is(Trouble::no_space));
  CHECK(Error::from_errno(ENOENT, "open x").is(Trouble::not_found));
  CHECK(Error::from_errno(EIO, "read x").is(Trouble::temporary));
  CHECK(Error::from_errno(ENOENT, "open x").within("reload").text() ==
        "reload: open x: No such file or directory");
}
