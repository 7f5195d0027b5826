// The Resolver of daemons: libunbound, joined to the process's event loop, without threads.
//
// Made before the sandbox is entered: it reads /etc/resolv.conf and the trust anchor then and nothing
// later; afterwards it needs to make and connect internet sockets (os::Allow::connect_inet). Answers are
// cached as long as their TTL says. Outlives everybody who waits for an answer.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>

#include "lib/dns/resolver.h"
#include "lib/event/loop.h"
#include "lib/event/stop.h"

struct ub_ctx;

namespace postrider::dns {

struct ResolverSettings {
  std::string resolv_conf = "/etc/resolv.conf";  // names the servers to ask; unreadable: 127.0.0.1
  std::string forwarder;                         // "address" or "address@port": the one server instead
  std::string trust_anchor_file;                 // root keys as in dns-root-data; empty: no validation
  // Answers that fail validation are given as insecure ones instead of as errors: for servers that pass no
  // DNSSEC records on, where every answer would fail.
  bool permissive = false;
  std::size_t most_records = max_records;
};

class UnboundResolver final : public Resolver {
 public:
  // configuration: a forwarder or trust anchor that cannot be used.
  static Result<std::unique_ptr<UnboundResolver>> open(event::Loop& loop, const ResolverSettings& settings,
                                                       event::StopToken stop = {});
  ~UnboundResolver() override;
  UnboundResolver(const UnboundResolver&) = delete;
  UnboundResolver& operator=(const UnboundResolver&) = delete;

  event::Task<Result<Answer>> lookup(std::string name, Type type, MonoTime deadline) override;

  std::size_t under_way() const { return queries_.size(); }  // questions not answered yet

 private:
  // One question given to libunbound. It lives until libunbound answers, also when nobody waits any more.
  struct Query;
  UnboundResolver(event::Loop& loop, std::size_t most_records, event::StopToken stop);
  Result<> configure(const ResolverSettings& settings);
  static void answered(void* query, int rcode, void* packet, int size, int security, char* why, int limited);

  event::Loop& loop_;
  std::size_t most_records_;
  bool permissive_ = false;
  event::StopToken stop_;
  ub_ctx* context_ = nullptr;
  std::list<Query> queries_;
};

}  // namespace postrider::dns
