// Verifying passwords of system accounts, which takes root: done by a child process that keeps root, takes
// a name and a password and answers with a verdict. The process that runs SASL exchanges with
// strangers does not have root.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/os/fd.h"
#include "lib/sasl/user_database.h"

namespace postrider::auth {

struct SystemVerdict {
  sasl::Verdict verdict = sasl::Verdict::temporary;
  std::string explanation;
};

class SystemChecker {
 public:
  // What the child does with each question; runs on several threads of it.
  using Check = std::function<SystemVerdict(const std::string& user, const std::string& password)>;

  // Forks; before any thread was started. `in_child` is called first in the child with the descriptors to
  // keep. `channels` questions can be under way at a time.
  static Result<std::unique_ptr<SystemChecker>> start(Check check, std::size_t channels,
                                                      const std::function<void(std::vector<int>)>& in_child);
  // The child ends when its sockets close.
  ~SystemChecker() = default;

  // Blocks. From any thread.
  SystemVerdict ask(std::string_view user, std::string_view password);

 private:
  SystemChecker() = default;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<os::Fd> free_;
};

// The checks themselves, for a process with root.
SystemVerdict check_shadow(const std::string& user, const std::string& password);
SystemVerdict check_pam(const std::string& service, const std::string& user, const std::string& password);

// A stored password that nothing matches and that costs what those in /etc/shadow cost.
std::string typical_shadow_password();

// System accounts as users: names and directories from the account database, passwords by the checker.
class SystemDatabase final : public sasl::UserDatabase {
 public:
  SystemDatabase(std::unique_ptr<SystemChecker> checker, std::string label, uid_t minimum_uid,
                 std::string typical)
      : checker_(std::move(checker)),
        label_(std::move(label)),
        minimum_uid_(minimum_uid),
        typical_(std::move(typical)) {}
  std::string_view label() const override { return label_; }
  Result<std::optional<sasl::UserEntry>> find(const std::string& name) override;
  sasl::Verdict check(const sasl::UserEntry& user, std::string_view password,
                      std::string& explanation) override;
  std::string typical_password() override { return typical_; }

 private:
  std::unique_ptr<SystemChecker> checker_;
  std::string label_;
  uid_t minimum_uid_;
  std::string typical_;
};

}  // namespace postrider::auth
