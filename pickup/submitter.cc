#include "pickup/submitter.h"

#include <algorithm>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/message/received.h"
#include "lib/protocol/bounce.h"
#include "lib/protocol/services.h"

namespace postrider::pickup {

namespace {

constexpr std::uint32_t id_batch = 16;
constexpr Seconds patience{300};
constexpr int tries = 3;  // cleanup may be killed under us

using Outcome = protocol::Submitted::Outcome;

}  // namespace

Submitter::Submitter(daemon::Daemon& daemon, const Sections& sections)
    : daemon_(daemon),
      sections_(sections),
      cleanup_(daemon.loop(), protocol::public_service(sections.services.cleanup_service_name()),
               submissions_at_once, daemon.stop_token()),
      bounce_(daemon.loop(), protocol::private_service(sections.services.bounce_service_name()), 2,
              daemon.stop_token()) {}

event::Task<bool> Submitter::hand_over(queue::Submission& submission, std::string what) {
  const Result<protocol::Submitted> submitted = co_await submit(submission);
  if (!submitted) {
    daemon_.log().warning("{}: {}; will try again", what, submitted.error().text());
    co_return false;
  }
  switch (submitted->outcome) {
    case Outcome::queued:
    case Outcome::discarded: co_return true;
    case Outcome::rejected:
    case Outcome::too_large: {
      const bool told = co_await return_to_sender(submission, *submitted);
      co_return told;
    }
    case Outcome::no_space:
    case Outcome::temporary:
    case Outcome::abandoned: break;
  }
  daemon_.log().warning("{}: {} cannot be queued now; will try again", submitted->id, what);
  co_return false;
}

bool Submitter::overrides(std::string_view option) const {
  return std::ranges::any_of(sections_.pickup.receive_overrides(),
                             [&](const std::string& one) { return iequals(one, option); });
}

event::Task<std::string> Submitter::queue_id() {
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

std::string Submitter::received_header(const queue::Submission& submission) const {
  const WallTime now = daemon_.clock().wall();
  return message::received_from_user(sections_.identity.myhostname(), sections_.identity.mail_name(),
                                     submission.envelope.submitter_uid, submission.envelope.id.text(), now,
                                     message::local_zone(now));
}

event::Task<Result<protocol::Submitted>> Submitter::submit(queue::Submission& submission) {
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
  Result<std::string> encoded = queue::encode(envelope);
  if (!encoded) co_return fail(encoded.error());
  protocol::Submit submit;
  submit.envelope = std::move(*encoded);
  submit.origin =
      envelope.orig_queue_id.empty() ? protocol::Submit::Origin::local : protocol::Submit::Origin::internal;
  submit.skip_checks = overrides("no_header_body_checks");
  submit.skip_mappings = overrides("no_address_mappings");
  submit.skip_filters = overrides("no_milters");
  const std::string header = received_header(submission);
  const std::uint64_t length = submission.content.length;
  if (length <= protocol::SubmitWhole::most - header.size()) {
    const Result<std::string> content =
        submission.content.read(daemon_.files(), 0, static_cast<std::size_t>(length));
    if (!content) co_return fail(content.error());
    const protocol::SubmitWhole whole{std::move(submit), header + *content};
    Result<protocol::Submitted> submitted =
        co_await cleanup_.ask<protocol::Submitted>(whole, daemon_.loop().after(patience));
    co_return submitted;
  }
  for (int attempt = 1;; ++attempt) {
    Result<protocol::Submitted> submitted = co_await converse(submit, header, submission.content);
    if (submitted || attempt == tries) co_return submitted;
  }
}

event::Task<Result<protocol::Submitted>> Submitter::converse(const protocol::Submit& submit,
                                                             const std::string& header,
                                                             const queue::Content& from) {
  event::Loop& loop = daemon_.loop();
  Result<ipc::Pool::Lease> lease = co_await cleanup_.get(loop.after(patience));
  if (!lease) co_return fail(lease.error());
  io::Ended::Why why{};
  try {
    ipc::Channel& channel = **lease;
    channel.put(submit);
    protocol::Content content;
    content.bytes = header;
    channel.put(content);
    for (std::uint64_t done = 0; done < from.length;) {
      const auto length =
          static_cast<std::size_t>(std::min<std::uint64_t>(from.length - done, protocol::Content::most));
      Result<std::string> bytes = from.read(daemon_.files(), done, length);
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
event::Task<bool> Submitter::return_to_sender(queue::Submission& submission, protocol::Submitted verdict) {
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
