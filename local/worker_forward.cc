// Handing a message to cleanup once more, for the addresses an alias or a .forward named.

#include <algorithm>

#include "lib/ipc/channel.h"
#include "lib/os/socket.h"
#include "lib/protocol/cleanup.h"
#include "local/worker_jobs.h"

namespace postrider::local {

namespace {

constexpr Seconds patience{600};  // with a cleanup that is busy

event::Task<> send_content(WorkerTools& tools, ipc::Channel& cleanup, const Mail& mail, MonoTime deadline) {
  protocol::Content block;
  block.bytes = mail.head;
  for (std::uint64_t done = 0;;) {
    const std::size_t filled = block.bytes.size();
    const auto want = std::min<std::uint64_t>(protocol::Content::most - filled, mail.length - done);
    block.bytes.resize(filled + want);
    if (want != 0) {
      const auto got =
          tools.files.pread(mail.content.get(), std::span(block.bytes).subspan(filled), mail.offset + done);
      if (!got || *got == 0) throw io::Ended{io::Ended::Why::lost, "the message cannot be read"};
      block.bytes.resize(filled + *got);
      done += *got;
    }
    if (block.bytes.empty()) break;
    co_await cleanup.send(block, deadline);
    block.bytes.clear();
  }
  co_await cleanup.send(protocol::ContentEnd{}, deadline);
}

Forwarded forwarded_of(const protocol::Submitted& submitted) {
  using Outcome = protocol::Submitted::Outcome;
  Forwarded forwarded;
  forwarded.id = submitted.id;
  forwarded.dsn = submitted.dsn;
  switch (submitted.outcome) {
    case Outcome::queued:
    case Outcome::discarded: forwarded.ending.kind = Ending::Kind::done; break;
    case Outcome::no_space: forwarded.ending = {Ending::Kind::no_space, "insufficient system storage"}; break;
    case Outcome::too_large:
      forwarded.ending = {Ending::Kind::too_large, "message size exceeds size limit"};
      break;
    case Outcome::rejected:
      forwarded.ending = {Ending::Kind::permanent,
                          submitted.reply.empty() ? "message rejected" : submitted.reply};
      break;
    case Outcome::temporary:
    case Outcome::abandoned:
      forwarded.ending = {Ending::Kind::temporary,
                          submitted.reply.empty() ? "unable to forward mail" : submitted.reply};
      break;
  }
  return forwarded;
}

}  // namespace

event::Task<Forwarded> forward(WorkerTools& tools, event::Loop& loop, const ForwardJob& job) {
  Forwarded trouble;
  const auto found = find_loop(tools.files, job.mail);
  if (!found || !found->empty()) {
    trouble.ending = found ? Ending{Ending::Kind::loop, *found} : ending_of(found.error());
    co_return trouble;
  }
  auto socket = os::connect_unix(job.service);
  if (!socket) {
    trouble.ending = ending_of(socket.error());
    co_return trouble;
  }
  std::string why;
  try {
    const auto deadline = loop.after(patience);
    ipc::Channel cleanup(loop, std::move(*socket));
    protocol::Submit submit;
    submit.envelope = job.envelope;
    submit.origin = protocol::Submit::Origin::internal;
    submit.skip_checks = true;
    submit.skip_filters = true;
    cleanup.put(submit);
    co_await send_content(tools, cleanup, job.mail, deadline);
    const protocol::Submitted submitted = co_await cleanup.expect<protocol::Submitted>(deadline);
    co_return forwarded_of(submitted);
  } catch (const io::Ended& ended) {
    why = ended.detail;
  }
  trouble.ending = {Ending::Kind::temporary, "unable to forward mail: " + why};
  co_return trouble;
}

}  // namespace postrider::local
