#include "cleanup/server.h"
#include "lib/daemon/daemon.h"

using namespace postrider;

int main(int argc, char** argv) {
  cleanup::Sections sections;
  daemon::Daemon daemon(
      argc, argv,
      {.name = "cleanup",
       .run_as = daemon::RunAs::mail_owner,
       .allowed = {os::Allow::files, os::Allow::threads, os::Allow::accept, os::Allow::connect_unix},
       .help = "completes new messages and puts them into the queue"});
  if (!daemon.start(sections.all())) return daemon.exit_status();
  cleanup::Server server(daemon, sections);
  if (const Result<> opened = server.open_tables(); !opened) return daemon.fatal(opened.error());
  if (!daemon.enter_sandbox()) return daemon.exit_status();
  if (const Result<> opened = server.open(); !opened) return daemon.fatal(opened.error());
  daemon.tasks().spawn(server.run(daemon.stop_token()));
  return daemon.serve_requests(
      [&](ipc::Call call, ipc::Frame frame) { return server.answer(call, std::move(frame)); },
      [&](ipc::Channel& channel, ipc::Frame frame) { return server.converse(channel, std::move(frame)); });
}
