// bench/load MODE name=value …: the load generators of the bench.
#include <fmt/core.h>
#include <signal.h>
#include <sys/resource.h>

#include <string_view>

#include "bench/modes.h"

int main(int count, char** words) {
  using namespace postrider::bench;
  const std::string_view mode = count > 1 ? words[1] : "";
  ::signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const Options options(count, words);
  if (mode == "send") return send_messages(options), 0;
  if (mode == "sink") return sink_messages(options), 0;
  if (mode == "hold") return hold_connections(options), 0;
  if (mode == "tls") return shake_hands(options), 0;
  if (mode == "pop3") return fetch_mail(options), 0;
  fmt::print(stderr, "usage: load send|sink|hold|tls|pop3 name=value …\n");
  return 2;
}
