// One delivery request: which servers are tried, what each recipient comes to, what qmgr is told.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/protocol/delivery.h"
#include "smtp/finder.h"
#include "smtp/kept.h"
#include "smtp/transaction.h"

namespace postrider::smtp_client {

// Called for each recipient when it is decided: one status line in the log.
using LogOutcome = std::function<void(const protocol::RecipientOutcome& outcome, std::string_view relay,
                                      unsigned connection_use)>;

class Delivery {
 public:
  // `connected` is called when a server is ready for MAIL, the first time.
  Delivery(Surroundings& here, KeptSessions& kept, const Mail& mail, std::string nexthop, LogOutcome log,
           std::function<void()> connected);

  // Throws io::Ended when the process stops; then nothing is reported, and qmgr tries again.
  event::Task<protocol::DeliveryReport> run();

 private:
  event::Task<> try_site(const std::string& site);
  event::Task<> try_target(const Target& target, const std::string& site);
  // What came of an attempt on one connection.
  enum class Attempt : std::uint8_t {
    done,   // recipients that are left may be tried elsewhere
    stale,  // a kept connection turned out to be dead: nothing was said on it
    tls,    // the TLS handshake failed, and clear text is allowed
  };
  event::Task<Attempt> attempt(std::unique_ptr<Session> session, bool fresh, bool in_clear);
  void take_verdicts(Transaction& transaction, const Session& session);
  void take_failure(const Failure& failure, const Session& session);
  void remember(Failure failure);
  // Who is named in relay=, and in conn_use=.
  struct Server {
    std::string relay = "none";
    unsigned use = 0;
  };
  static Server server_of(const Session& session) { return {session.target().relay(), session.uses}; }
  void settle(std::uint32_t recipient, const Failure& failure, const Server& server);
  void settle_all(const Failure& failure, const Server& server);
  void settle_delivered(Verdict& verdict, const Session& session);
  void report(protocol::RecipientOutcome outcome, const Server& server);
  void throttle(protocol::DeliveryReport::Destination health, const Failure& failure);
  void give_up();

  Surroundings& here_;
  KeptSessions& kept_;
  const Mail& mail_;
  std::vector<std::string> sites_;  // the next hop, then those to fall back on
  LogOutcome log_;
  std::function<void()> connected_;
  protocol::DeliveryReport report_;

  std::vector<std::uint32_t> left_;  // recipients not decided
  std::optional<Failure> why_;       // what went wrong last with a server as a whole
  // What a server said last to a recipient that is still left; forgotten when a later server fails as a
  // whole.
  std::map<std::uint32_t, std::pair<Failure, Server>> said_;
  std::set<std::string> tried_;  // targets, by relay()
  std::size_t site_ = 0;
  std::int64_t sessions_ = 0;  // of the present site
  bool last_target_ = false;   // no server is left after this one
  bool ever_connected_ = false;
};

}  // namespace postrider::smtp_client
