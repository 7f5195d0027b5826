#include "lib/dns/unbound_resolver.h"

#include <algorithm>
#include <optional>

#include <fmt/core.h>
#include <unbound-event.h>
#include <unbound.h>

#include "lib/base/text.h"
#include "lib/dns/message.h"
#include "lib/io/ended.h"

namespace postrider::dns {
namespace {

constexpr std::size_t most_questions = 4000;  // under way at a time; each holds a few kilobytes
constexpr int class_in = 1;
constexpr int rcode_no_name = 3;
constexpr int bogus = 1, secure = 2;  // libunbound's security states

const char* const try_again = "Host not found, try again";

// What ub_resolve_event reads as one name: no escapes, no label too long.
bool can_be_asked(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  for (const std::string_view label : split(name, '.')) {
    if (label.empty() || label.size() > 63) return false;
    for (const char c : label)
      if (c <= ' ' || c > '~' || c == '\\' || c == '"') return false;
  }
  return true;
}

}  // namespace

struct UnboundResolver::Query {
  UnboundResolver* owner = nullptr;
  Type type = Type::a;
  bool wanted = true;  // somebody waits for the answer
  event::Wait* waiter = nullptr;
  std::optional<Result<Answer>> answer;
  std::list<Query>::iterator self;
};

UnboundResolver::UnboundResolver(event::Loop& loop, std::size_t most_records, event::StopToken stop)
    : loop_(loop), most_records_(most_records), stop_(stop) {}

UnboundResolver::~UnboundResolver() {
  if (context_) ub_ctx_delete(context_);
}

Result<std::unique_ptr<UnboundResolver>> UnboundResolver::open(event::Loop& loop,
                                                               const ResolverSettings& settings,
                                                               event::StopToken stop) {
  std::unique_ptr<UnboundResolver> made(new UnboundResolver(loop, settings.most_records, stop));
  made->context_ = ub_ctx_create_event(loop.base());
  if (!made->context_) return fail(Trouble::temporary, "the DNS resolver cannot be made: out of memory");
  if (const Result<> configured = made->configure(settings); !configured) return fail(configured.error());
  return made;
}

Result<> UnboundResolver::configure(const ResolverSettings& settings) {
  int status = 0;
  const auto set = [&](const char* name, const char* value) {
    if (status == 0) status = ub_ctx_set_option(context_, name, value);
  };
  ub_ctx_debugout(context_, nullptr);
  ub_ctx_debuglevel(context_, 0);
  // A server on this machine is what resolv.conf names most often.
  set("do-not-query-localhost:", "no");
  // Private networks have reverse zones of their own.
  set("unblock-lan-zones:", "yes");
  set("insecure-lan-zones:", "yes");
  // A server that was down is asked again soon: mail waits for it.
  set("infra-host-ttl:", "60");
  set("cache-max-negative-ttl:", "300");
  set("outgoing-range:", "512");
  set("module-config:", settings.trust_anchor_file.empty() ? "iterator" : "validator iterator");
  if (settings.permissive) set("val-permissive-mode:", "yes");
  permissive_ = settings.permissive;
  if (status != 0)
    return fail(Trouble::temporary,
                fmt::format("the DNS resolver cannot be set up: {}", ub_strerror(status)));
  if (!settings.trust_anchor_file.empty()) {
    status = ub_ctx_add_ta_file(context_, settings.trust_anchor_file.c_str());
    if (status != 0)
      return fail(Trouble::configuration,
                  fmt::format("DNSSEC trust anchor {}: {}", settings.trust_anchor_file, ub_strerror(status)));
  }
  if (!settings.forwarder.empty()) {
    status = ub_ctx_set_fwd(context_, settings.forwarder.c_str());
    if (status != 0)
      return fail(Trouble::configuration,
                  fmt::format("DNS server \"{}\": {}", settings.forwarder, ub_strerror(status)));
  } else if (ub_ctx_resolvconf(context_, settings.resolv_conf.c_str()) != 0) {
    // As resolv.conf(5) has it for a missing file.
    ub_ctx_set_fwd(context_, "127.0.0.1");
  }
  // A laboratory's test. exists where it is asked for; libunbound would answer for it.
  static_cast<void>(ub_ctx_zone_add(context_, "test.", "transparent"));
  // The first question makes libunbound settle its configuration; this one is answered from within.
  status = ub_resolve_event(
      context_, "localhost", static_cast<int>(Type::a), class_in, nullptr,
      [](void*, int, void*, int, int, char*, int) {}, nullptr);
  if (status != 0)
    return fail(Trouble::configuration,
                fmt::format("the DNS resolver cannot start: {}", ub_strerror(status)));
  return {};
}

void UnboundResolver::answered(void* query, int rcode, void* packet, int size, int security, char* why, int) {
  Query& self = *static_cast<Query*>(query);
  UnboundResolver& owner = *self.owner;
  if (!self.wanted) {
    owner.queries_.erase(self.self);
    return;
  }
  const std::string_view bytes =
      packet && size >= 4 ? std::string_view(static_cast<const char*>(packet), static_cast<std::size_t>(size))
                          : std::string_view();
  // Without trouble of libunbound's own the code is the packet's.
  if (rcode == 0 && !bytes.empty()) rcode = bytes[3] & 0x0f;
  if (security == bogus && !owner.permissive_) {
    self.answer = fail(Trouble::temporary, fmt::format("DNSSEC validation failed: {}", why ? why : "bogus"));
  } else if (rcode == rcode_no_name) {
    Answer none;
    none.outcome = Answer::Outcome::no_name;
    none.secure = security == secure;
    self.answer = std::move(none);
  } else if (rcode != 0 || bytes.empty()) {
    self.answer = fail(Trouble::temporary, try_again);
  } else {
    self.answer = parse_response(bytes, self.type, owner.most_records_);
    if (*self.answer)
      (*self.answer)->secure = security == secure;
    else
      self.answer = fail(Trouble::temporary, self.answer->error().text());
  }
  owner.loop_.note_activity();
  // Not from within libunbound, which may be in the middle of its own work.
  if (self.waiter) self.waiter->wake_later();
}

event::Task<Result<Answer>> UnboundResolver::lookup(std::string name, Type type, MonoTime deadline) {
  if (stop_.stopped()) throw io::Ended{io::Ended::Why::stopped, ""};
  if (!can_be_asked(name)) co_return fail(Trouble::permanent, "Invalid domain name");
  if (queries_.size() >= most_questions)
    co_return fail(Trouble::temporary, "too many DNS questions under way");

  // When the waiting ends before the answer, the question stays behind and forgets its asker.
  struct Asked {
    UnboundResolver& owner;
    std::list<Query>::iterator query;
    ~Asked() {
      query->wanted = false;
      query->waiter = nullptr;
      if (query->answer) owner.queries_.erase(query);
    }
  };
  Asked asked{*this, queries_.emplace(queries_.end())};
  Query& query = *asked.query;
  query.owner = this;
  query.self = asked.query;
  query.type = type;
  const int status = ub_resolve_event(context_, name.c_str(), static_cast<int>(type), class_in, &query,
                                      &UnboundResolver::answered, nullptr);
  if (status != 0) query.answer = fail(Trouble::temporary, ub_strerror(status));
  if (!query.answer) {
    event::Wait wait(loop_, deadline, stop_);
    query.waiter = &wait;
    const event::Woken woken = co_await wait;
    query.waiter = nullptr;
    if (woken == event::Woken::stopped) throw io::Ended{io::Ended::Why::stopped, ""};
    if (!query.answer) co_return fail(Trouble::temporary, try_again);
  }
  co_return std::move(*query.answer);
}

}  // namespace postrider::dns
