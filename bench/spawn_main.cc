// bench/spawn COUNT INPUT COMMAND…: runs the command COUNT times, one after another, each with the file INPUT
// as standard input, and prints the seconds that took. Small, so that what is measured is the command.
#include <fcntl.h>
#include <fmt/core.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "bench/loop.h"

int main(int count, char** words) {
  if (count < 4) {
    fmt::print(stderr, "usage: spawn count input command…\n");
    return 2;
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, words[2], O_RDONLY, 0);
  const double begun = postrider::bench::now();
  const long times = std::strtol(words[1], nullptr, 10);
  for (long i = 0; i < times; ++i) {
    pid_t child = 0;
    int status = 0;
    if (posix_spawn(&child, words[3], &actions, nullptr, words + 3, environ) != 0 ||
        ::waitpid(child, &status, 0) != child || status != 0) {
      fmt::print(stderr, "spawn: {} failed (status {})\n", words[3], status);
      return 1;
    }
  }
  fmt::print(R"({{"runs": {}, "seconds": {:.6f}}})"
             "\n",
             times, postrider::bench::now() - begun);
  return 0;
}
