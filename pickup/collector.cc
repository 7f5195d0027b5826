#include "pickup/collector.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/event/scope.h"
#include "lib/message/received.h"
#include "lib/protocol/bounce.h"
#include "lib/protocol/services.h"
#include "lib/queue/file_bytes.h"

namespace postrider::pickup {

namespace {

constexpr std::size_t submissions_at_once = 32;
constexpr std::size_t names_per_pass = 1000;
constexpr std::uint32_t id_batch = 16;
constexpr Seconds patience{300};
constexpr int tries = 3;  // cleanup may be killed under us

using Outcome = protocol::Submitted::Outcome;

}  // namespace

Collector::Collector(daemon::Daemon& daemon, const Sections& sections)
    : daemon_(daemon),
      sections_(sections),
      cleanup_(daemon.loop(), protocol::public_service(sections.services.cleanup_service_name()),
               submissions_at_once, daemon.stop_token()),
      bounce_(daemon.loop(), protocol::private_service(sections.services.bounce_service_name()), 2,
              daemon.stop_token()),
      at_once_(daemon.loop(), submissions_at_once) {}

void Collector::start() { workers_ = std::make_unique<event::Workers>(daemon_.loop(), 2); }

event::Task<> Collector::collect() {
  bool more = true;
  while (more && !daemon_.draining()) more = co_await pass();
}

// True when something was taken, so that more may be waiting.
event::Task<bool> Collector::pass() {
  std::erase_if(submitted_, [&](const std::string& name) { return unlinked(name); });
  std::vector<std::string> names;
  const Result<> listed = daemon_.files().list(layout_.maildrop(), [&](std::string_view name) {
    if (queue::is_maildrop_name(name) && !submitted_.contains(std::string(name))) names.emplace_back(name);
    return names.size() < names_per_pass;
  });
  if (!listed) {
    daemon_.log().warning("{}", listed.error().text());
    co_return false;
  }
  {
    event::TaskScope scope(daemon_.loop());
    for (const std::string& name : names) {
      const bool may = co_await at_once_.acquire(no_deadline, daemon_.drain_token());
      if (!may) break;
      scope.spawn(take(name));
    }
    co_await scope.join();
  }
  const bool progress = std::ranges::any_of(names, [&](const std::string& name) {
    return !daemon_.files().lstat(layout_.maildrop() + "/" + name);
  });
  co_return progress;
}

event::Task<> Collector::take(std::string name) {
  struct Place {
    event::Semaphore& semaphore;
    ~Place() { semaphore.release(); }
  };
  const Place place{at_once_};
  const std::string path = layout_.maildrop() + "/" + name;
  const uid_t owner = ::geteuid();
  Result<queue::Submission> submission = fail(Trouble::temporary, "");
  co_await workers_->run([&] { submission = queue::read_submission(daemon_.files(), path, owner); });
  if (!submission) {
    if (submission.error().is(Trouble::not_found)) co_return;  // prsuper was faster
    if (submission.error().is(Trouble::permanent))
      keep_damaged(name, submission.error());
    else
      daemon_.log().warning("{}", submission.error().text());
    co_return;
  }
  try {
    co_await hand_over(std::move(name), *submission);
  } catch (const io::Ended&) {
    // Told to stop: the file stays.
  }
}

void Collector::keep_damaged(const std::string& name, const Error& error) {
  daemon_.log().warning("{}; kept in corrupt/", error.text());
  if (const Result<> moved = daemon_.files().rename(layout_.maildrop() + "/" + name,
                                                    layout_.shelf(queue::Shelf::corrupt) + "/" + name);
      !moved)
    daemon_.log().warning("{}", moved.error().text());
}

bool Collector::unlinked(const std::string& name) {
  const Result<> removed = daemon_.files().unlink(layout_.maildrop() + "/" + name);
  if (removed || removed.error().is(Trouble::not_found)) return true;
  daemon_.log().error("{}; will try again", removed.error().text());
  return false;
}

void Collector::remove(const std::string& name) {
  if (!unlinked(name)) submitted_.insert(name);
}

event::Task<> Collector::hand_over(std::string name, queue::Submission& submission) {
  const Result<protocol::Submitted> submitted = co_await submit(submission);
  if (!submitted) {
    daemon_.log().warning("maildrop/{}: {}; will try again", name, submitted.error().text());
    co_return;
  }
  switch (submitted->outcome) {
    case Outcome::queued:
    case Outcome::discarded: co_return remove(name);
    case Outcome::rejected:
    case Outcome::too_large: {
      const bool told = co_await return_to_sender(submission, *submitted);
      if (told) remove(name);
      co_return;
    }
    case Outcome::no_space:
    case Outcome::temporary:
    case Outcome::abandoned: break;
  }
  daemon_.log().warning("{}: maildrop/{} cannot be queued now; will try again", submitted->id, name);
}

bool Collector::overrides(std::string_view option) const {
  return std::ranges::any_of(sections_.pickup.receive_overrides(),
                             [&](const std::string& one) { return iequals(one, option); });
}

event::Task<std::string> Collector::queue_id() {
  if (ids_.empty()) {
    protocol::ReserveIds request;
    request.count = id_batch;
    Result<protocol::ReservedIds> reserved =
        co_await cleanup_.ask<protocol::ReservedIds>(request, daemon_.loop().after(patience));
    if (!reserved) co_return std::string();
    for (std::string& id : reserved->ids) ids_.push_back(std::move(id));
  }
  std::string id;
  if (!ids_.empty()) {
    id = std::move(ids_.front());
    ids_.pop_front();
  }
  co_return id;
}

std::string Collector::received_header(const queue::Submission& submission) const {
  const WallTime now = daemon_.clock().wall();
  return message::received_from_user(sections_.identity.myhostname(), sections_.identity.mail_name(),
                                     submission.envelope.submitter_uid, submission.envelope.id.text(), now,
                                     message::local_zone(now));
}

event::Task<Result<protocol::Submitted>> Collector::submit(queue::Submission& submission) {
  queue::Envelope& envelope = submission.envelope;
  const std::string reserved = co_await queue_id();
  const auto id = queue::QueueId::parse(reserved);
  if (!id) co_return fail(Trouble::temporary, "no queue id from " + cleanup_.path());
  envelope.id = *id;
  envelope.arrival = std::min(submission.arrival, daemon_.clock().wall());
  if (envelope.content_filter.empty()) envelope.content_filter = sections_.pickup.content_filter();
  std::string line =
      fmt::format("{}: uid={} from=<{}>", envelope.id, envelope.submitter_uid, envelope.sender);
  if (!envelope.orig_queue_id.empty()) line += " orig_id=" + envelope.orig_queue_id;
  daemon_.log().info("{}", line);
  const Result<std::string> encoded = queue::encode(envelope);
  if (!encoded) co_return fail(encoded.error());
  for (int attempt = 1;; ++attempt) {
    Result<protocol::Submitted> submitted = co_await converse(submission, *encoded);
    if (submitted || attempt == tries) co_return submitted;
  }
}

event::Task<Result<protocol::Submitted>> Collector::converse(queue::Submission& submission,
                                                             std::string encoded) {
  event::Loop& loop = daemon_.loop();
  Result<ipc::Pool::Lease> lease = co_await cleanup_.get(loop.after(patience));
  if (!lease) co_return fail(lease.error());
  io::Ended::Why why{};
  try {
    ipc::Channel& channel = **lease;
    protocol::Submit submit;
    submit.envelope = std::move(encoded);
    submit.origin = submission.envelope.orig_queue_id.empty() ? protocol::Submit::Origin::local
                                                              : protocol::Submit::Origin::internal;
    submit.skip_checks = overrides("no_header_body_checks");
    submit.skip_mappings = overrides("no_address_mappings");
    submit.skip_filters = overrides("no_milters");
    channel.put(submit);
    protocol::Content content;
    content.bytes = received_header(submission);
    channel.put(content);
    const queue::Content& from = submission.content;
    for (std::uint64_t done = 0; done < from.length;) {
      const auto length =
          static_cast<std::size_t>(std::min<std::uint64_t>(from.length - done, protocol::Content::most));
      Result<std::string> bytes =
          queue::read_exactly(daemon_.files(), from.fd.get(), from.offset + done, length);
      if (!bytes) co_return fail(bytes.error());
      content.bytes = std::move(*bytes);
      channel.put(content);
      done += length;
      if (channel.pending_output() > protocol::Content::most) co_await channel.flush(loop.after(patience));
    }
    channel.put(protocol::ContentEnd{});
    protocol::Submitted submitted = co_await channel.expect<protocol::Submitted>(loop.after(patience));
    lease->give_back();
    co_return submitted;
  } catch (const io::Ended& ended) {
    why = ended.why;
  }
  if (why == io::Ended::Why::stopped) throw io::Ended{why, ""};
  co_return fail(Trouble::temporary, "cleanup was lost before it answered");
}

// What cleanup will never take must not vanish: its sender gets it back. True when that is done.
event::Task<bool> Collector::return_to_sender(queue::Submission& submission, protocol::Submitted verdict) {
  queue::Envelope& envelope = submission.envelope;
  envelope.size = submission.content.length;
  for (queue::Recipient& recipient : envelope.recipients) {
    recipient.dsn = verdict.dsn.empty() ? "5.0.0" : verdict.dsn;
    recipient.reason = verdict.reply.empty() ? "message not accepted" : verdict.reply;
    daemon_.log().info("{}: to=<{}>, relay=none, delay=0, dsn={}, status=bounced ({})", envelope.id,
                       recipient.address, recipient.dsn, recipient.reason);
  }
  if (envelope.recipients.empty()) {
    // Nobody was to get it, and the report must name somebody.
    queue::Recipient& nobody = envelope.recipients.emplace_back();
    nobody.address = envelope.sender;
    nobody.dsn = verdict.dsn.empty() ? "5.1.0" : verdict.dsn;
    nobody.reason = verdict.reply;
  }
  protocol::Notify notify;
  notify.kind = protocol::Notify::Kind::failed;
  const Result<std::string> encoded = queue::encode(envelope);
  if (!encoded) co_return false;
  notify.envelope = *encoded;
  Result<queue::Content> content = submission.content.share();
  if (!content) co_return false;
  notify.content = std::move(*content);
  const Result<protocol::Notified> notified =
      co_await bounce_.ask<protocol::Notified>(notify, daemon_.loop().after(patience));
  if (notified && notified->done) co_return true;
  daemon_.log().warning("{}: bounce: {}; will try again", envelope.id,
                        notified ? notified->trouble : notified.error().text());
  co_return false;
}

}  // namespace postrider::pickup
