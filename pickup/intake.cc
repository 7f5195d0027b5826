#include "pickup/intake.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lib/io/stream.h"
#include "lib/os/socket.h"
#include "lib/protocol/services.h"
#include "lib/queue/bytes.h"

namespace postrider::pickup {

namespace {

constexpr unsigned most_of_one_user = submissions_at_once / 2;
// From the connection to its last byte: sendmail has it all in memory.
constexpr Seconds reading_time{10};
constexpr Seconds answering_time{10};

// The next piece of the stream; "" for the one that ends it, nothing when more than `most` bytes are
// announced.
event::Task<std::optional<std::string>> read_piece(io::Stream& stream, std::size_t most, MonoTime deadline) {
  const std::string_view length_bytes = co_await stream.read_exactly(4, deadline);
  const auto length = queue::get<std::uint32_t>(length_bytes, 0);
  if (length > most) co_return std::nullopt;
  if (length == 0) co_return std::string();
  const std::string_view bytes = co_await stream.read_exactly(length, deadline);
  co_return std::string(bytes);
}

}  // namespace

void Intake::start() {
  Result<os::Fd> listener = os::listen_unix(std::string(protocol::pickup_intake), 0666);
  if (!listener) {
    daemon_.log().warning("{}; submissions come by maildrop/ alone", listener.error().text());
    return;
  }
  daemon_.serve_also(
      std::move(*listener), [this](os::Fd client) { return serve(std::move(client)); }, submissions_at_once);
}

// prdrop looks users up in authorized_submit_users.
bool Intake::admits(uid_t uid) const {
  const std::vector<std::string>& allowed = sections_.submission.authorized_users();
  if (uid != 0 && (allowed.size() != 1 || allowed.front() != "static:anyone")) return false;
  const auto found = clients_.find(uid);
  return found == clients_.end() || found->second < most_of_one_user;
}

event::Task<> Intake::serve(os::Fd client) {
  const Result<os::PeerCredentials> peer = os::peer_credentials(client);
  if (!peer || !admits(peer->uid)) co_return;
  struct Place {
    std::map<uid_t, unsigned>& clients;
    uid_t uid;
    Place(std::map<uid_t, unsigned>& counted, uid_t user) : clients(counted), uid(user) { ++clients[uid]; }
    ~Place() {
      if (--clients[uid] == 0) clients.erase(uid);
    }
    Place(const Place&) = delete;
  };
  const Place place(clients_, peer->uid);
  co_await take(std::move(client), peer->uid);
}

event::Task<> Intake::take(os::Fd client, uid_t uid) {
  event::Loop& loop = daemon_.loop();
  const MonoTime deadline = loop.after(reading_time);
  io::Stream stream(loop, std::move(client), daemon_.stop_token());
  stream.put({&queue::direct_yes, 1});

  const std::optional<std::string> encoded = co_await read_piece(stream, queue::max_direct, deadline);
  if (!encoded) co_return;
  Result<queue::Envelope> envelope = queue::decode_envelope(*encoded);
  if (!envelope) co_return;
  queue::Submission submission;
  submission.envelope = queue::only_submittable(std::move(*envelope));
  submission.envelope.submitter_uid = uid;
  if (submission.envelope.recipients.empty()) co_return;

  std::string& content = submission.content.bytes;
  const std::size_t limit = queue::max_direct - std::min(encoded->size(), queue::max_direct);
  for (bool ended = false; !ended;) {
    const std::optional<std::string> piece = co_await read_piece(stream, limit - content.size(), deadline);
    if (!piece) co_return;
    content += *piece;
    ended = piece->empty();
  }
  submission.content.length = content.size();
  const auto most = static_cast<std::uint64_t>(sections_.limits.message_size_limit());
  if (most != 0 && content.size() > most) co_return;

  submission.arrival = daemon_.clock().wall();
  const bool done = co_await submitter_.hand_over(submission, "a submission");
  if (!done) co_return;
  stream.put({&queue::direct_yes, 1});
  co_await stream.flush(loop.after(answering_time));
}

}  // namespace postrider::pickup
