// Asks rewrite to bring addresses into their standard form. Addresses that are in it beyond doubt, which
// are nearly all, cost no question.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/event/task.h"
#include "lib/ipc/pool.h"

namespace postrider::cleanup {

// "user@host.domain" without anything that rewriting looks at. Internal form.
bool is_standard(std::string_view address);

class Rewriter {
 public:
  Rewriter(event::Loop& loop, ipc::Pool& service) : loop_(loop), service_(&service) {}
  virtual ~Rewriter() = default;

  // In place; addresses in internal form, empty ones are left alone. `context` is "local" or "remote".
  event::Task<Result<>> rewrite(std::string context, std::vector<std::string>& addresses);

 protected:
  explicit Rewriter(event::Loop& loop) : loop_(loop), service_(nullptr) {}
  // One batch, external form. For tests to answer themselves.
  virtual event::Task<Result<std::vector<std::string>>> ask(std::string context,
                                                            std::vector<std::string> addresses);

 private:
  event::Loop& loop_;
  ipc::Pool* service_;
};

}  // namespace postrider::cleanup
