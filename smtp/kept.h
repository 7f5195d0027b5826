// Connections kept for a moment after a delivery, for the next message to the same place.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "smtp/session.h"
#include "smtp/surroundings.h"

namespace postrider::smtp_client {

class KeptSessions {
 public:
  explicit KeptSessions(Surroundings& here) : here_(here) {}

  // One that was last used for this next hop, or that leads to this target; null when there is none that is
  // still alive.
  std::unique_ptr<Session> take(const std::string& nexthop);
  std::unique_ptr<Session> take(const Target& target);

  // Keeps the session if the configuration and its state allow, or says goodbye.
  void put(std::unique_ptr<Session> session);
  // Says goodbye, in a task of its own.
  void dismiss(std::unique_ptr<Session> session);

  std::size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    std::unique_ptr<Session> session;
    MonoTime until;
  };
  template <class Match>
  std::unique_ptr<Session> take_if(const Match& match);
  bool may_be_kept(const Session& session) const;
  event::Task<> expire();

  Surroundings& here_;
  std::list<Kept> kept_;  // the oldest first
  bool expiring_ = false;
};

}  // namespace postrider::smtp_client
