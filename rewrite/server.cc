#include "rewrite/server.h"

#include "lib/base/log.h"
#include "lib/os/socket.h"

namespace postrider::rewrite {

namespace {

// Addresses of one request that are resolved before others get their turn.
constexpr std::size_t addresses_per_turn = 64;

// How long, and for how many, an existing recipient is not asked about again where asking is slow. That one
// does not exist is never remembered: a user who was just added receives mail at once.
constexpr Seconds listed_lifetime{5};
constexpr std::size_t most_listed = 10'000;

}  // namespace

Server::Server(event::Loop& loop, Log& log, table::Context context, ResolverSettings settings,
               AllowedTables allowed, uid_t trusted_uid, std::size_t threads)
    : loop_(loop),
      log_(log),
      context_(std::move(context)),
      settings_(std::move(settings)),
      allowed_(std::move(allowed)),
      trusted_uid_(trusted_uid),
      threads_free_(loop, threads),
      workers_(loop, threads) {}

Result<> Server::open() {
  Result<std::unique_ptr<Resolver>> made = Resolver::make(settings_, context_);
  if (!made) return fail(made.error());
  resolver_ = std::move(*made);
  return {};
}

event::Task<> Server::with_resolver(bool blocks, std::function<void(const Resolver&)> work) {
  if (!blocks) {
    work(*resolver_);
    co_return;
  }
  co_await threads_free_.acquire();
  std::unique_ptr<Resolver> resolver;
  if (!spare_.empty()) {
    resolver = std::move(spare_.back());
    spare_.pop_back();
  }
  const std::function<void()> job = [&] {
    // Making one opens its tables, which may block as well. The settings were good enough for open().
    if (!resolver)
      if (Result<std::unique_ptr<Resolver>> made = Resolver::make(settings_, context_))
        resolver = std::move(*made);
    if (resolver) work(*resolver);
  };
  co_await workers_.run(job);
  if (resolver) spare_.push_back(std::move(resolver));
  threads_free_.release();
}

bool Server::may_look_up(const ipc::Call& call, const std::string& maps) const {
  const Result<os::PeerCredentials> peer = os::peer_credentials(call.socket());
  if (!peer) return false;
  return peer->uid == 0 || peer->uid == trusted_uid_ || allowed_.allows(maps);
}

event::Task<protocol::RecipientChecked> Server::check(const protocol::CheckRecipient& question) {
  using Existence = protocol::RecipientChecked::Existence;
  protocol::RecipientChecked answer;
  answer.existence = Existence::trouble;
  if (resolver_->resolving_blocks()) {
    const std::function<void(const Resolver&)> work = [&](const Resolver& resolver) {
      answer = resolver.check(question.sender, question.address);
    };
    co_await with_resolver(true, work);
    co_return answer;
  }
  protocol::Route route =
      resolver_->resolve(question.sender, resolver_->rewrite(question.address, Context::local));
  if (!resolver_->finding_blocks(route.address_class)) co_return resolver_->find_recipient(std::move(route));
  const std::string recipient = route.recipient;
  const auto known = listed_.find(recipient);
  if (known != listed_.end() && loop_.now() < known->second) {
    answer.route = std::move(route);
    answer.existence = Existence::listed;
    co_return answer;
  }
  answer.route = route;
  const std::function<void(const Resolver&)> work = [&](const Resolver& resolver) {
    answer = resolver.find_recipient(route);
  };
  co_await with_resolver(true, work);
  if (answer.existence == Existence::listed) {
    if (listed_.size() >= most_listed) listed_.clear();
    listed_.insert_or_assign(recipient, loop_.after(listed_lifetime));
  }
  co_return answer;
}

event::Task<> Server::answer(ipc::Call call, ipc::Frame frame) {
  if (const auto rewrite = frame.as<protocol::Rewrite>()) {
    const Context context = rewrite->context == "remote" ? Context::remote : Context::local;
    protocol::Rewritten answer;
    for (const std::string& address : rewrite->addresses) {
      answer.addresses.push_back(resolver_->rewrite(address, context));
      // What would grow over the cap stays as it was.
      if (answer.addresses.back().size() > queue::max_address_bytes) answer.addresses.back() = address;
    }
    call.answer(answer);
  } else if (const auto resolve = frame.as<protocol::Resolve>()) {
    protocol::Resolved answer;
    const bool blocks = resolver_->resolving_blocks();
    while (answer.routes.size() < resolve->addresses.size()) {
      const std::size_t end = std::min(answer.routes.size() + addresses_per_turn, resolve->addresses.size());
      const std::function<void(const Resolver&)> work = [&](const Resolver& resolver) {
        for (std::size_t i = answer.routes.size(); i < end; ++i)
          answer.routes.push_back(resolver.resolve(resolve->sender, resolve->addresses[i]));
      };
      co_await with_resolver(blocks, work);
      // Without a resolver there is no answer, and silence would be one for ever.
      if (answer.routes.size() < end) throw io::Ended{io::Ended::Why::lost, "no resolver"};
      if (end < resolve->addresses.size()) co_await loop_.yield();
    }
    call.answer(answer);
  } else if (const auto check_question = frame.as<protocol::CheckRecipient>()) {
    const protocol::RecipientChecked answer = co_await check(*check_question);
    call.answer(answer);
  } else if (const auto lookup = frame.as<protocol::Lookup>()) {
    protocol::LookedUp answer;
    if (may_look_up(call, lookup->maps)) {
      const std::function<void(const Resolver&)> work = [&](const Resolver& resolver) {
        answer = resolver.look_up(*lookup);
      };
      co_await with_resolver(resolver_->look_up_blocks(lookup->maps), work);
    } else {
      log_.warning("{}: table \"{}\" is not in the configuration: request refused", lookup->parameter,
                   lookup->maps);
    }
    // Whatever was not answered is not known.
    const std::size_t expected = lookup->first_only ? 1 : lookup->keys.size();
    while (answer.answers.size() < expected) {
      answer.answers.emplace_back();
      answer.answers.back().status = protocol::LookedUp::Answer::Status::trouble;
    }
    call.answer(answer);
  } else {
    throw io::Ended{io::Ended::Why::lost, "unexpected message"};
  }
}

}  // namespace postrider::rewrite
