// Delivery into Maildirs: durable file in tmp/, renamed into new/, directory made durable, then
// reported. Used by local and virtual, as the recipient and never as root.
//
// Many messages may be given at once: their files are made durable in parallel by worker threads
// and each directory is synced once, so a batch costs little more than one message. The file's name is
// the only thing a reader needs: no lock is taken and dovecot-uidlist is left to the readers.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/mailbox/content.h"
#include "lib/mailbox/maildir_name.h"
#include "lib/os/files.h"

namespace postrider::mailbox {

class Workers;

struct Delivery {
  std::string directory;  // the Maildir (root or folder): what holds cur, new and tmp; absolute
  Content content;
  std::uint64_t size_limit = 0;  // head and content together; 0: none
};

struct Delivered {
  std::string name;  // in new/
  std::uint64_t size = 0;
};

class MaildirDelivery {
 public:
  // `sync_threads` is the most fsyncs in flight (0: all in the calling thread); threads start with
  // the first batch that can use them. References must outlive the object.
  MaildirDelivery(os::Files& files, const Clock& clock, std::string_view host, unsigned sync_threads);
  ~MaildirDelivery();
  MaildirDelivery(const MaildirDelivery&) = delete;
  MaildirDelivery& operator=(const MaildirDelivery&) = delete;

  // One result per delivery, in order. A success is on stable storage under its final name. After
  // an error nothing is left in new/, unless the directory could not be synced (temporary): then the
  // message may be there as well. no_space: disk, quota of the system or maildirsize, size_limit is
  // permanent. A Maildir that does not exist is made, mode 0700.
  std::vector<Result<Delivered>> deliver_batch(std::span<const Delivery> batch);

  Result<Delivered> deliver(const Delivery& one);

 private:
  struct Work;

  void write_temporary(const Delivery& delivery, Work& work);
  void sync_temporary(Work& work);
  void check_quotas(std::span<const Delivery> batch, std::span<Work> work);
  void put_in_place(std::span<Work> work);
  void sync_directories(std::span<Work> work);
  Result<> settle_names(const std::string& directory);

  os::Files& files_;
  const Clock& clock_;
  UniqueNames names_;
  unsigned sync_threads_;
  std::unique_ptr<Workers> workers_;         // made when first needed
  std::unordered_set<std::string> settled_;  // Maildirs whose own names are known to be durable
};

// Makes cur, new and tmp of a Maildir and what is missing above, durable, mode 0700. A folder of a
// Maildir++ tree (its last part starts with '.') also gets its marker file, `maildirfolder`.
Result<> create_maildir(os::Files& files, const std::string& directory);

}  // namespace postrider::mailbox
