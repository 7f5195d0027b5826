#include "bounce/server.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "lib/io/ended.h"

namespace postrider::bounce {

using protocol::Notified;
using protocol::Notify;
using protocol::Submitted;

namespace {

// Longer than cleanup needs with a slow disk, shorter than the queue manager's patience (300 s).
constexpr Seconds patience{120};

}  // namespace

Server::Server(event::Loop& loop, Log& log, os::Files& files, Rules rules, std::string cleanup_path,
               event::StopToken stop)
    : loop_(loop),
      log_(log),
      files_(files),
      rules_(std::move(rules)),
      stop_(stop),
      cleanup_(loop, std::move(cleanup_path), 8, stop) {}

event::Task<> Server::serve(ipc::Call call, ipc::Frame frame) {
  std::optional<Notify> request = frame.as<Notify>();
  if (!request) throw io::Ended{io::Ended::Why::lost, "unexpected message"};
  Notified answer = co_await notify(std::move(*request));
  call.answer(answer);
}

event::Task<Notified> Server::notify(Notify request) {
  Notified answer;
  const Result<queue::Envelope> envelope = queue::decode_envelope(request.envelope);
  if (!envelope) {
    answer.trouble = envelope.error().text();
    co_return answer;
  }
  const WallTime now = loop_.clock().wall();
  Plan todo = plan(request, *envelope, rules_, now, message::local_zone(now));
  if (!todo.remark.empty())
    log_.write(todo.worth_a_warning ? Level::warning : Level::info,
               fmt::format("{}: {}", envelope->id, todo.remark));
  answer.done = true;
  for (Notice& notice : todo.notices) {
    const std::uint64_t wanted = content_wanted(notice.report, request.content.length, rules_.size_limit);
    const Result<std::string> content =
        request.content.read(files_, 0, std::min(wanted, request.content.length));
    Result<std::string> sent = content ? Result<std::string>{} : std::unexpected(content.error());
    if (content) sent = co_await send(notice, *content);
    if (sent) {
      if (!sent->empty()) log_.info("{}: {}: {}", envelope->id, notice.words, *sent);
      if (notice.required) answer.id = std::move(*sent);
      continue;
    }
    log_.warning("{}: {} failed: {}", envelope->id, notice.words, sent.error().text());
    if (!notice.required) continue;
    answer.done = false;
    answer.trouble = sent.error().text();
    break;
  }
  co_return answer;
}

event::Task<Result<std::string>> Server::send(Notice& notice, std::string_view content) {
  const MonoTime deadline = loop_.after(patience);
  Submitted submitted;
  for (int attempt = 0; attempt < 3; ++attempt) {
    Result<ipc::Pool::Lease> lease = co_await cleanup_.get(deadline);
    if (!lease) co_return fail(lease.error());
    io::Ended::Why why{};
    bool answered = false;
    try {
      submitted = co_await submit(**lease, notice, content, deadline);
      lease->give_back();
      answered = true;
    } catch (const io::Ended& ended) {
      why = ended.why;
    }
    if (!answered) {
      if (why == io::Ended::Why::stopped) throw io::Ended{why, ""};
      if (why == io::Ended::Why::timed_out) co_return fail(Trouble::temporary, "cleanup does not answer");
      if (attempt == 2) co_return fail(Trouble::temporary, "cleanup went away");
      continue;
    }
    if (submitted.outcome == Submitted::Outcome::too_large && notice.report.returned == dsn::Returned::full) {
      notice.report.returned = dsn::Returned::headers;
      continue;
    }
    break;
  }
  switch (submitted.outcome) {
    case Submitted::Outcome::queued: co_return std::move(submitted.id);
    case Submitted::Outcome::discarded: co_return std::string{};
    case Submitted::Outcome::no_space: co_return fail(Trouble::no_space, "no space for the notification");
    default: break;
  }
  co_return fail(Trouble::temporary,
                 submitted.reply.empty() ? "cleanup refused the notification" : submitted.reply);
}

event::Task<Submitted> Server::submit(ipc::Channel& cleanup, const Notice& notice, std::string_view content,
                                      MonoTime deadline) {
  const auto reserved = co_await cleanup.call<protocol::ReservedIds>(protocol::ReserveIds{1}, deadline);
  const auto id = reserved.ids.empty() ? std::nullopt : queue::QueueId::parse(reserved.ids.front());
  if (!id) throw io::Ended{io::Ended::Why::lost, "cleanup gave no queue id"};
  const Letter letter = compose(notice, *id, content);
  const Result<std::string> envelope = queue::encode(letter.envelope);
  if (!envelope) {
    Submitted refused;
    refused.outcome = Submitted::Outcome::rejected;
    refused.reply = envelope.error().text();
    co_return refused;
  }
  protocol::Submit submit;
  submit.envelope = *envelope;
  submit.origin = protocol::Submit::Origin::internal;
  // A notice is not to be stopped by rules meant for strangers' mail.
  submit.skip_checks = submit.skip_filters = true;
  cleanup.put(submit);
  for (std::size_t at = 0; at < letter.content.size(); at += protocol::Content::most) {
    cleanup.put(protocol::Content{letter.content.substr(at, protocol::Content::most)});
    if (cleanup.pending_output() >= 4 * protocol::Content::most) co_await cleanup.flush(deadline);
  }
  cleanup.put(protocol::ContentEnd{});
  Submitted answer = co_await cleanup.expect<Submitted>(deadline);
  co_return answer;
}

}  // namespace postrider::bounce
