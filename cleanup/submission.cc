#include "cleanup/submission.h"

#include <algorithm>

#include <fmt/core.h>
#include "cleanup/header_block.h"
#include "lib/base/text.h"

namespace postrider::cleanup {

namespace {

constexpr Seconds client_patience{3600};
// What comes after this much header is passed on as it is.
constexpr std::size_t most_header = 4U << 20;
// While this much content waits for the disk, new content waits for room.
constexpr std::size_t most_pending = 128U << 20;

// What each origin may say about a message.
constexpr std::uint32_t network_flags =
    queue::flag::hold | queue::flag::discard | queue::flag::smtputf8 | queue::flag::requiretls;
constexpr std::uint32_t local_flags = queue::flag::verify | queue::flag::record | queue::flag::smtputf8 |
                                      queue::flag::requiretls | queue::flag::local;

bool ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

Submission::Submission(Server& server, const protocol::Submit& submit)
    : server_(server), origin_(submit.origin), mappings_(!submit.skip_mappings) {
  if (const Result<> taken = take_envelope(submit.envelope); !taken) {
    server_.log().warning("submission refused: {}", taken.error().text());
    answer(Outcome::temporary, "", "");
    return;
  }
  content_.emplace(server_.committer().new_content(envelope_.id));
  if (!submit.skip_checks && origin_ != protocol::Submit::Origin::internal && !server_.checks().empty())
    inspector_.emplace(server_.checks());
}

Result<> Submission::take_envelope(const std::string& encoded) {
  auto envelope = queue::decode_envelope(encoded);
  if (!envelope) return fail(envelope.error());
  envelope_ = std::move(*envelope);
  if (!envelope_.id) envelope_.id = server_.committer().next_id();
  const WallTime now = server_.daemon().clock().wall();
  if (envelope_.arrival > now || envelope_.arrival < now - Seconds{24 * 3600}) envelope_.arrival = now;
  if (origin_ == protocol::Submit::Origin::network) {
    envelope_.flags &= network_flags;
    envelope_.submitter_uid = 0;
  } else if (origin_ == protocol::Submit::Origin::local) {
    envelope_.flags &= local_flags;
  }
  for (queue::Recipient& recipient : envelope_.recipients) {
    recipient.status = queue::RecipientStatus::todo;
    recipient.attempts = 0;
    recipient.dsn = recipient.reason = recipient.remote_mta = recipient.remote_reply = {};
  }
  return {};
}

void Submission::answer(Outcome outcome, std::string dsn, std::string reply) {
  if (answered()) return;
  protocol::Submitted& submitted = answer_.emplace();
  submitted.outcome = outcome;
  if (envelope_.id) submitted.id = envelope_.id.text();
  submitted.dsn = std::move(dsn);
  submitted.reply = std::move(reply);
  header_ = {};
  content_.reset();
}

void Submission::refuse(const Error& error) {
  server_.log().warning("{}: {}", envelope_.id, error.text());
  answer(error.is(Trouble::no_space) ? Outcome::no_space : Outcome::temporary, "", "");
}

event::Task<protocol::Submitted> Submission::run(ipc::Channel& channel) {
  event::Loop& loop = server_.daemon().loop();
  for (;;) {
    ipc::Frame frame = co_await channel.receive(loop.after(client_patience));
    if (const auto end = frame.as<protocol::ContentEnd>()) {
      if (end->abandoned) answer(Outcome::abandoned, "", "");
      if (end->hold) envelope_.flags |= queue::flag::hold;
      if (end->discard) envelope_.flags |= queue::flag::discard;
      if (!end->content_filter.empty()) envelope_.content_filter = end->content_filter;
      redirect_ = end->redirect;
      break;
    }
    const auto content = frame.as<protocol::Content>();
    if (!content) throw io::Ended{io::Ended::Why::lost, "unexpected message"};
    co_await await_room();
    if (!answered()) co_await take(content->bytes);
  }
  co_await finish();
  co_return std::move(*answer_);
}

event::Task<protocol::Submitted> Submission::run(const std::string& content) {
  co_await await_room();
  if (!answered()) co_await take(content);
  co_await finish();
  co_return std::move(*answer_);
}

event::Task<> Submission::await_room() {
  event::Loop& loop = server_.daemon().loop();
  while (server_.committer().pending_bytes() > most_pending) co_await loop.sleep(Milliseconds{10});
}

// All content has come: what is left of it, and the commit.
event::Task<> Submission::finish() {
  if (!answered() && in_header_) co_await finish_header(header_.size());
  if (!answered()) co_await put_body({}, true);
  if (!answered() && last_ != '\n') put("\n");
  if (!answered()) co_await commit();
}

event::Task<> Submission::take(std::string_view bytes) {
  if (!in_header_) {
    co_await put_body(std::string(bytes), false);
    co_return;
  }
  header_ += bytes;
  if (boundary_.find(header_, false))
    co_await finish_header(header_.size());
  else if (header_.size() > most_header)
    co_await finish_header(boundary_.header_size());
}

// The header is all there, within the first `size` bytes of what has arrived: checks and logs it, completes
// it, rewrites its addresses, and passes it on together with the beginning of the body.
event::Task<> Submission::finish_header(std::size_t size) {
  in_header_ = false;
  const Sections& sections = server_.sections();
  const CleanupConfig& config = sections.cleanup;
  HeaderBlock::Rules rules;
  rules.field_limit = static_cast<std::size_t>(sections.limits.header_size_limit());
  rules.dropped = config.drop_headers();
  HeaderBlock block(std::string_view(header_).substr(0, size), rules);
  const std::size_t begin = block.body_offset();
  if (inspector_) {
    co_await server_.workers().run([&] { inspector_->header(block.fields()); });
    take_judgement();
    if (answered()) co_return;
    const std::string inspected = block.text();  // a field may have become two
    block = HeaderBlock(inspected, rules);
  }
  if (block.hops() >= static_cast<std::size_t>(sections.limits.hopcount_limit())) {
    server_.log().info("{}: too many hops", envelope_.id);
    answer(Outcome::rejected, "5.4.0", "Error: too many hops");
    co_return;
  }
  if (mappings_) {
    const Result<> mapped = co_await server_.mapper().map_sender(envelope_.sender);
    if (!mapped) co_return refuse(mapped.error());
  }
  const bool is_local = envelope_.rewrite_context.empty() || envelope_.rewrite_context == "local";
  if (mappings_ && (is_local || !config.remote_domain().empty())) {
    std::vector<HeaderAddress> addresses = block.addresses();
    const Result<> mapped = co_await server_.mapper().map_headers(addresses, is_local ? "local" : "remote");
    if (!mapped) co_return refuse(mapped.error());
    block.replace(addresses);
  }
  if (is_local || config.always_add_headers() || !config.remote_domain().empty()) {
    Completion with;
    with.queue_id = envelope_.id.text();
    with.arrival = envelope_.arrival;
    with.zone = message::local_zone(envelope_.arrival);
    with.hostname = sections.identity.myhostname();
    with.origin = sections.identity.myorigin();
    with.sender = envelope_.sender;
    with.full_name = envelope_.full_name;
    with.undisclosed = config.undisclosed();
    block.complete(with);
  }
  const std::string message_id = block.message_id_line();
  server_.log().info("{}: {}", envelope_.id, message_id.empty() ? "message-id=<>" : message_id);
  if (origin_ == protocol::Submit::Origin::local && sections.limits.smtputf8_enable() && block.has_8bit())
    envelope_.flags |= queue::flag::smtputf8;  // smtputf8_autodetect_classes: sendmail

  const bool separated = begin >= 1 && begin <= header_.size() && header_[begin - 1] == '\n' &&
                         (begin == 1 || header_[begin - 2] == '\n');
  put(block.text());
  if (begin < header_.size() || separated) put("\n");
  std::string rest = header_.substr(std::min(begin, header_.size()));
  header_ = {};
  if (!answered()) co_await put_body(std::move(rest), false);
}

event::Task<> Submission::put_body(std::string bytes, bool end) {
  if (!inspector_) co_return put(bytes);
  std::string kept;
  co_await server_.workers().run([&] {
    inspector_->body(bytes, kept);
    if (end) inspector_->finish(kept);
  });
  take_judgement();
  put(kept);
}

// Logs what the checks found and obeys them; what they want of the recipients waits for the end.
void Submission::take_judgement() {
  Judgement now = inspector_->judge();
  const queue::ClientAttributes& client = envelope_.client;
  const std::string from =
      client.address.empty() ? "local" : fmt::format("{}[{}]", client.name, client.address);
  for (Finding& finding : now.findings) {
    std::ranges::replace(finding.content, '\n', ' ');
    std::string line = fmt::format("{}: {}: {} {} from {}; from=<{}>", envelope_.id, finding.action,
                                   finding.where, finding.content, from, envelope_.sender);
    if (!envelope_.recipients.empty()) line += fmt::format(" to=<{}>", envelope_.recipients.back().address);
    if (!client.protocol.empty()) line += " proto=" + client.protocol;
    if (!client.helo.empty()) line += fmt::format(" helo=<{}>", client.helo);
    if (!finding.explanation.empty()) line += ": " + finding.explanation;
    server_.log().info("{}", line);
  }
  now.findings.clear();
  judgement_ = std::move(now);
  if (judgement_.trouble) return refuse(*judgement_.trouble);
  if (judgement_.rejected) {
    std::string text = judgement_.rejected->empty() ? "message content rejected" : *judgement_.rejected;
    std::string dsn = "5.7.1";
    const std::size_t blank = std::min(text.find(' '), text.size());
    const std::string_view code = std::string_view(text).substr(0, blank);
    if (code.size() >= 5 && (code[0] == '4' || code[0] == '5') && code[1] == '.' &&
        code.find_first_not_of("0123456789.") == std::string_view::npos) {
      dsn = code;
      text = trim(std::string_view(text).substr(blank));
    }
    return answer(Outcome::rejected, dsn, text);
  }
  if (judgement_.held) envelope_.flags |= queue::flag::hold;
  if (judgement_.discarded) envelope_.flags |= queue::flag::discard;
  if (!judgement_.filter.empty()) envelope_.content_filter = judgement_.filter;
}

void Submission::put(std::string_view bytes) {
  if (answered() || bytes.empty()) return;
  const std::int64_t most = server_.sections().limits.message_size_limit();
  if (most > 0 && content_->size() + bytes.size() > static_cast<std::uint64_t>(most)) {
    server_.log().info("{}: message size exceeds message_size_limit", envelope_.id);
    answer(Outcome::too_large, "5.3.4", "Message size exceeds fixed limit");
    return;
  }
  last_ = bytes.back();
  if (const Result<> appended = content_->append(bytes); !appended) refuse(appended.error());
}

event::Task<> Submission::commit() {
  const std::string& redirect = judgement_.redirect.empty() ? redirect_ : judgement_.redirect;
  if (!redirect.empty()) {
    envelope_.recipients.clear();
    envelope_.recipients.emplace_back().address = redirect;
  }
  for (const std::string& copy : judgement_.copies) {
    queue::Recipient& recipient = envelope_.recipients.emplace_back();
    recipient.address = copy;
    recipient.notify = queue::notify::never;
  }
  const Mapper::Wanted wanted{.mappings = mappings_, .copies = origin_ != protocol::Submit::Origin::internal};
  const Result<> mapped = co_await server_.mapper().map_recipients(envelope_, wanted);
  if (!mapped) co_return refuse(mapped.error());
  if (envelope_.recipients.empty()) {
    server_.log().info("{}: no recipients specified", envelope_.id);
    co_return answer(Outcome::rejected, "5.1.0", "Error: no recipients specified");
  }
  if (origin_ == protocol::Submit::Origin::local && server_.sections().limits.smtputf8_enable()) {
    const bool all_ascii =
        ascii(envelope_.sender) &&
        std::ranges::all_of(envelope_.recipients, [](const queue::Recipient& r) { return ascii(r.address); });
    if (!all_ascii) envelope_.flags |= queue::flag::smtputf8;
  }
  if (envelope_.has(queue::flag::discard)) {
    server_.log().info("{}: removed (discarded)", envelope_.id);
    co_return answer(Outcome::discarded, "", "");
  }
  envelope_.size = content_->size();
  Result<std::string> encoded = queue::encode(envelope_);
  if (!encoded) {
    server_.log().warning("{}: {}", envelope_.id, encoded.error().text());
    co_return answer(Outcome::rejected, "5.1.0", "Error: " + encoded.error().text());
  }
  std::string announced = *encoded;
  const bool in_file = content_->in_file();
  const Result<queue::Place> place =
      co_await server_.committer().commit(envelope_.id, std::move(*encoded), std::move(*content_));
  if (!place) co_return refuse(place.error());
  server_.announcer().announce(*place, in_file, std::move(announced));
  answer(Outcome::queued, "", "");
}

}  // namespace postrider::cleanup
