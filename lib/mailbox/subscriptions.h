// subscriptions: the folders a user wants to see. Byte-compatible with Dovecot.
//
//   version 1: one name on a line, with the separator of the disk ('.')
//   version 2: "V" TAB "2" LF LF, then a name on each line, its parts separated by TAB and escaped
//              (\001 followed by 0 1 t r n for NUL \001 TAB CR LF)
//
// Both are read, version 2 is written. Names are as on disk (modified UTF-7). Changed under the dot
// lock subscriptions.lock.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

class Subscriptions {
 public:
  using Name = std::vector<std::string>;  // parts, outermost first

  // Lines that are no names are left out; at most 100,000 are read.
  static Subscriptions parse(std::string_view text, char separator = '.');
  std::string format() const;

  // No file: no subscriptions.
  static Result<Subscriptions> load(os::Files& files, const std::string& directory, char separator = '.');
  // Reads, changes and replaces the file in one hold of the lock. False: it was so already.
  static Result<bool> change(os::Files& files, const Clock& clock, const std::string& directory,
                             const Name& name, bool subscribe, char separator = '.');

  const std::vector<Name>& names() const { return names_; }
  bool contains(const Name& name) const;
  bool add(Name name);  // false: it was there, or has an empty part
  bool remove(const Name& name);

 private:
  std::vector<Name> names_;
};

}  // namespace postrider::mailbox
