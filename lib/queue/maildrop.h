// Files in maildrop/: how prdrop leaves a local submission for pickup.
//
// A file is written under a temporary name ("t…"), completed, made durable and renamed ("m…").
// Its owner is the submitting user, who may have tampered with it: pickup trusts nothing but the
// kernel's word on the owner, and decodes with the same caps as everywhere. Content lines end in LF.
// maildrop/ belongs to mail_owner and the group of prdrop, mode 1770: nobody else gets in.
//
//   0 "PRDROP1\n"   8 crc32c of 12-39   12 version   16 content bytes   24 envelope bytes
//  28 crc32c of the envelope   32 crc32c of the content   36 zero
//  40 envelope, then content
//
// The stream from sendmail to prdrop is pieces, each with its length in front (4 bytes, little-endian):
// the envelope, then content, then an empty piece. A stream that ends before that is no submission, so a
// sendmail that was killed half-way submits nothing.
//
// A submission of at most max_direct goes to pickup itself, at its socket (protocol::pickup_intake), without
// a file: pickup says direct_yes when it takes one, gets the same stream, and says direct_yes again when it
// is on stable storage in the queue or back at its sender. Whatever else happens, the submission then goes by
// prdrop, which knows the reason.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/os/fd.h"
#include "lib/os/files.h"
#include "lib/queue/envelope.h"
#include "lib/queue/queue_reader.h"

namespace postrider::queue {

// What a submission may state: sender, recipients with ORCPT and NOTIFY, encoding, RET, ENVID, full
// name, VERP and the flags verify, record, smtputf8, requiretls. Anything else is cleared.
Envelope only_submittable(Envelope envelope);

class MaildropWriter {
 public:
  // Creates the temporary file in `directory`. Fails with permanent when the envelope is over its caps.
  static Result<MaildropWriter> create(os::Files& files, const std::string& directory,
                                       const Envelope& envelope);
  MaildropWriter(MaildropWriter&&) noexcept;
  MaildropWriter& operator=(MaildropWriter&&) = delete;
  ~MaildropWriter();  // removes what was not committed

  Result<> append(std::string_view content);
  // Durable, and visible to pickup, when it returns. The name is for the log.
  Result<std::string> commit();
  // For a signal handler: the path of the temporary file, valid as long as the writer. Never null.
  const char* temporary_path() const { return temporary_.c_str(); }

 private:
  MaildropWriter() = default;
  os::Files* files_ = nullptr;
  os::Fd fd_;
  std::string directory_, temporary_, name_;
  std::uint64_t envelope_bytes_ = 0, content_bytes_ = 0;
  std::uint32_t envelope_checksum_ = 0, content_checksum_ = 0;
  bool done_ = false;
};

// One piece of the stream; `bytes` is at most max_drop_piece except for the envelope.
inline constexpr std::size_t max_drop_piece = 64U << 10;
std::string drop_piece(std::string_view bytes);

inline constexpr std::size_t max_direct = 60U << 10;  // envelope and content, encoded
inline constexpr char direct_yes = '+';

struct Submission {
  Envelope envelope;  // sanitised by only_submittable(); submitter_uid is the file's owner
  Content content;
  WallTime arrival;  // the file's mtime
};

bool is_maildrop_name(std::string_view name);  // a complete submission, by its name

// permanent: no valid submission (not a regular file, linked twice, damaged, over a cap); pickup
// moves it to corrupt/. Content is read against its checksum. A file that `mail_owner` made by
// requeueing keeps its whole envelope.
Result<Submission> read_submission(os::Files& files, const std::string& path, uid_t mail_owner);

}  // namespace postrider::queue
