// Where a user's mail is: the text of mail_location (Dovecot's grammar), expanded for one user.
//
//   maildir:~/Maildir[:CONTROL=dir][:INBOX=dir]      mbox:~/mail:INBOX=/var/mail/%u
//
// Variables: %u user, %n part before '@', %d domain, %h home, %% a percent; the 2.4 forms
// %{user}, %{user|username}, %{user|domain}, %{home} too. `~/` is the home directory.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/error.h"

namespace postrider::mailbox {

struct MailOwner {
  std::string user;  // full login name
  std::string home;
};

struct MailLocation {
  enum class Kind { maildir, mbox };
  Kind kind = Kind::maildir;
  std::string root;     // absolute
  std::string inbox;    // directory of INBOX, or the mbox file
  std::string control;  // empty: beside the mail
};

// configuration: the text is wrong; permanent: this user's name cannot be part of a path ("..", '/',
// NUL, a leading '.').
Result<MailLocation> parse_mail_location(std::string_view text, const MailOwner& owner);

}  // namespace postrider::mailbox
