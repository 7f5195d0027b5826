// Which tables a process that talks to strangers may have looked up for it: those that the
// configuration names anywhere, main.cf and the overrides of master.cf alike, and no others.
//
// An attacker in smtpd could otherwise read any database file that rewrite may open.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/text.h"

namespace postrider::config {
class MasterCf;
class Values;
}  // namespace postrider::config

namespace postrider::rewrite {

class AllowedTables {
 public:
  AllowedTables() = default;  // none

  // Every "type:name" in a value that main.cf sets, that `-o` overrides, or that is a common default.
  // `master` may be absent.
  static AllowedTables collect(const config::Values& values, const config::MasterCf* master);

  // Whether every table of the list is among them. An empty list is not.
  bool allows(std::string_view maps) const;

 private:
  void add(std::string_view value, int depth);

  StringMap<bool> tables_;
};

}  // namespace postrider::rewrite
