// A small daemon for tests of master: this test program under the name "fake". It answers each line of a
// client with its pid, reports to master, and notes in the file "notes" what happened to it. Its first
// argument says how it behaves: "serve", "one" (unavailable while it has a client), "crash" (at start),
// "mute" (ignores drain and SIGTERM), "late" (takes one more client when it is told to drain), "trigger"
// (notes bytes that wake it, then ends).
#pragma once

#include <string>

namespace postrider::master::test {

// Puts a link named "fake" to this program into `daemon_directory`.
void install_fake_daemon(const std::string& daemon_directory);

}  // namespace postrider::master::test
