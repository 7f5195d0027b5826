// pickup's own socket: takes small submissions from sendmail(1) and answers when they are durable, so that
// they need no file in maildrop/ and no process but sendmail's. The stream is drawn in lib/queue/maildrop.h.
//
// Every user of the machine may connect, as every user may run prdrop. A client is turned away by closing its
// connection; sendmail then goes by prdrop. Which user it is says the kernel.
#pragma once

#include <map>

#include <sys/types.h>

#include "lib/daemon/daemon.h"
#include "pickup/config.h"
#include "pickup/submitter.h"

namespace postrider::pickup {

class Intake {
 public:
  Intake(daemon::Daemon& daemon, const Sections& sections, Submitter& submitter)
      : daemon_(daemon), sections_(sections), submitter_(submitter) {}

  // Opens the socket. Without it, which is logged, all submissions come by maildrop/.
  void start();
  event::Task<> serve(os::Fd client);

 private:
  bool admits(uid_t uid) const;
  event::Task<> take(os::Fd client, uid_t uid);

  daemon::Daemon& daemon_;
  const Sections& sections_;
  Submitter& submitter_;
  std::map<uid_t, unsigned> clients_;  // connections of each user
};

}  // namespace postrider::pickup
