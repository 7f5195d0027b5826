// The other half of local, virtual and pipe: a process that has become one recipient and stores
// mail, reads .forward files, runs commands or hands a message to cleanup on the agent's word.
//
// Started by Crew as the same program with "--worker" and a socket at descriptor 3, already with the
// recipient's identity: it refuses to work as root. It may block, since it serves one job at a time,
// or one group of Maildir deliveries. It ends when the socket closes.
#pragma once

namespace postrider::local {

inline constexpr int worker_socket = 3;

// Whether the command line asks for a worker. To be called first in main.
bool is_worker(int argc, char** argv);
int run_worker();

}  // namespace postrider::local
