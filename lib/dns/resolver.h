// Asking the DNS from a coroutine. An interface, because tests answer from a table.
#pragma once

#include <string>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/dns/answer.h"
#include "lib/event/task.h"

namespace postrider::dns {

class Resolver {
 public:
  virtual ~Resolver() = default;

  // `name` is ASCII, with or without the final dot. No such name and no such record are answers, not errors.
  // temporary: servers cannot be reached, refuse, or do not answer before the deadline; an answer that fails
  // DNSSEC validation. permanent: `name` cannot be asked for. The texts are those of Postfix's dns_strerror:
  // "Host not found, try again". Throws io::Ended when the process stops.
  virtual event::Task<Result<Answer>> lookup(std::string name, Type type, MonoTime deadline) = 0;
};

}  // namespace postrider::dns
