#include <cstdio>
#include <string>
#include <vector>

#include "lib/os/process.h"
#include "tools/prconf.h"

int main(int argc, char** argv) {
  postrider::os::open_standard_streams();
  postrider::tools::Console console;
  const int status = postrider::tools::run_prconf(std::vector<std::string>(argv, argv + argc), console);
  std::fwrite(console.err.data(), 1, console.err.size(), stderr);
  std::fwrite(console.out.data(), 1, console.out.size(), stdout);
  // A full disk behind a redirection must not look like success.
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? status : 1;
}
