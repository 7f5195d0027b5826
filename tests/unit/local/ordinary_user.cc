// The agents start their workers as the running program, here the test itself; and nothing here
// works with root's rights, so neither does the test.

#include <grp.h>
#include <unistd.h>

#include "local/worker.h"

namespace {

[[gnu::constructor]] void begin(int argc, char** argv, char**) {
  if (::geteuid() == 0) {
    constexpr unsigned nobody = 65534;
    if (::setgroups(0, nullptr) != 0 || ::setgid(nobody) != 0 || ::setuid(nobody) != 0) ::_exit(3);
  }
  if (postrider::local::is_worker(argc, argv)) ::_exit(postrider::local::run_worker());
}

}  // namespace
