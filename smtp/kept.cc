#include "smtp/kept.h"

#include <algorithm>

#include "lib/base/text.h"

namespace postrider::smtp_client {
namespace {

constexpr std::size_t most_kept = 300;  // by one process, for all destinations

event::Task<> say_goodbye(std::unique_ptr<Session> session) { co_await session->quit(); }

}  // namespace

template <class Match>
std::unique_ptr<Session> KeptSessions::take_if(const Match& match) {
  // The latest first: it is the least likely to have been closed by the server.
  for (auto at = kept_.end(); at != kept_.begin();) {
    --at;
    if (!match(*at->session)) continue;
    std::unique_ptr<Session> session = std::move(at->session);
    at = kept_.erase(at);
    if (session->alive()) return session;
  }
  return nullptr;
}

std::unique_ptr<Session> KeptSessions::take(const std::string& nexthop) {
  return take_if([&](const Session& session) { return session.nexthop() == nexthop; });
}

std::unique_ptr<Session> KeptSessions::take(const Target& target) {
  // A certificate that was verified for one next hop says nothing of another.
  if (here_.config.tls_level() == TlsLevel::verify) return nullptr;
  return take_if([&](const Session& session) {
    const Target& known = session.target();
    return known.ip == target.ip && known.port == target.port && known.path == target.path;
  });
}

bool KeptSessions::may_be_kept(const Session& session) const {
  const ClientConfig& config = here_.config;
  const auto& destinations = config.cache_destinations();
  const bool wanted =
      config.cache_on_demand() || std::ranges::any_of(destinations, [&](const std::string& one) {
        return iequals(one, session.nexthop());
      });
  const auto count_limit = static_cast<std::uint64_t>(config.reuse_count_limit());
  return wanted && !session.finished && config.cache_time_limit().count() > 0 &&
         (count_limit == 0 || session.uses < count_limit) &&
         here_.loop.now() - session.opened < config.reuse_time_limit() && !here_.stop.stopped();
}

void KeptSessions::put(std::unique_ptr<Session> session) {
  if (!may_be_kept(*session)) {
    dismiss(std::move(session));
    return;
  }
  kept_.push_back({std::move(session), here_.loop.after(here_.config.cache_time_limit())});
  if (kept_.size() > most_kept) {
    dismiss(std::move(kept_.front().session));
    kept_.pop_front();
  }
  if (!expiring_) here_.tasks.spawn(expire());
}

void KeptSessions::dismiss(std::unique_ptr<Session> session) {
  here_.tasks.spawn(say_goodbye(std::move(session)));
}

event::Task<> KeptSessions::expire() {
  expiring_ = true;
  while (!kept_.empty()) {
    const bool awake = co_await here_.loop.sleep_until(kept_.front().until, here_.stop);
    while (!kept_.empty() && (!awake || kept_.front().until <= here_.loop.now())) {
      dismiss(std::move(kept_.front().session));
      kept_.pop_front();
    }
  }
  expiring_ = false;
}

}  // namespace postrider::smtp_client
