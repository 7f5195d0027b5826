// What a delivery agent asks of its workers: the processes that have become a recipient and do
// everything that touches mail or files. See worker.h.
//
// Agent and worker are one program in two processes; the agent is root (or the one user of a trial
// run), so it trusts nothing in an answer beyond its type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ipc/codec.h"
#include "lib/queue/envelope.h"

namespace postrider::local {

inline constexpr std::size_t max_path = 4096;
inline constexpr std::size_t max_head = 16 * 1024;
inline constexpr std::size_t max_targets = 100'000;  // of one .forward or :include: file
inline constexpr std::size_t max_text = 4096;

// The message, and what is to stand before it. `loops`: addresses which, found in a Delivered-To:
// field of the message, mean that it has been here before.
struct Mail {
  os::Fd content;  // read with pread
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::string head;
  std::vector<std::string> loops;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.fd(self.content);
    v.number(self.offset, UINT64_MAX);
    v.number(self.length, UINT64_MAX);
    v.text(self.head, max_head);
    v.texts(self.loops, 256, queue::max_address_bytes);
  }
};

// How a job ended.
struct Ending {
  enum class Kind : std::uint8_t {
    done,
    loop,       // `text` is the address that was found
    no_space,   // the disk is full
    too_large,  // quota or size limit
    access,     // a file that is not what it should be, or not ours
    temporary,
    permanent,
  };
  Kind kind = Kind::temporary;
  std::string text;  // for the log and the sender
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.kind, Kind::permanent);
    v.text(self.text, max_text);
  }
};

struct MaildirJob {
  std::string directory;
  std::uint64_t size_limit = 0;
  Mail mail;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.directory, max_path);
    v.number(self.size_limit, UINT64_MAX);
    v.part(self.mail);
  }
};

// One group commit. Frames with `more` set are collected until one without comes; then one answer, in
// the order of the jobs, comes for all of them.
struct MaildirJobs {
  static constexpr std::string_view name = "local.maildir-jobs/1";
  static constexpr std::size_t most = 16;  // descriptors in one frame
  static constexpr std::size_t most_frames = 4;
  std::vector<MaildirJob> jobs;
  bool more = false;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.list(self.jobs, most);
    v.flag(self.more);
  }
};

struct Endings {
  static constexpr std::string_view name = "local.endings/1";
  std::vector<Ending> endings;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.list(self.endings, MaildirJobs::most * MaildirJobs::most_frames);
  }
};

// Answered by Ended.
struct MboxJob {
  static constexpr std::string_view name = "local.mbox-job/1";
  std::string path;
  std::string separator;  // "From sender date\n"
  std::string locks;      // mailbox_delivery_lock
  std::uint32_t lock_attempts = 1;
  Microseconds lock_delay{};
  Microseconds stale_lock{};
  std::uint64_t size_limit = 0;
  bool must_own = false;
  bool dotlock_may_fail = false;
  Mail mail;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.path, max_path);
    v.text(self.separator, max_text);
    v.text(self.locks, 256);
    v.number(self.lock_attempts, 1'000'000);
    v.duration(self.lock_delay);
    v.duration(self.stale_lock);
    v.number(self.size_limit, UINT64_MAX);
    v.flag(self.must_own);
    v.flag(self.dotlock_may_fail);
    v.part(self.mail);
  }
};

// Answered by CommandEnded.
struct CommandJob {
  static constexpr std::string_view name = "local.command-job/1";
  std::vector<std::string> arguments;    // argv; a shell command is "/bin/sh -c …"
  std::vector<std::string> environment;  // NAME=value
  std::string directory;                 // to run in; empty: /
  Microseconds time_limit{};
  std::string line_end = "\n";  // what each line of the message ends in: pipe(8) eol=
  bool dot_quoted = false;      // pipe flag '.': lines that begin with '.' get another one
  bool from_quoted = false;     // pipe flag '>': lines that begin with "From " get a '>'
  bool blank_line = false;      // pipe flag 'B': an empty line at the end
  Mail mail;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.texts(self.arguments, 1000, 64 * 1024);
    v.texts(self.environment, 200, 64 * 1024);
    v.text(self.directory, max_path);
    v.duration(self.time_limit);
    v.text(self.line_end, 16);
    v.flag(self.dot_quoted);
    v.flag(self.from_quoted);
    v.flag(self.blank_line);
    v.part(self.mail);
  }
};

struct CommandEnded {
  static constexpr std::string_view name = "local.command-ended/1";
  enum class How : std::uint8_t { exited, signalled, timed_out, not_run };
  Ending ending;  // loop, or trouble before the command ran; else done
  How how = How::not_run;
  std::uint32_t status = 0;  // exit status or signal
  std::string output;        // the first of what it wrote
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.part(self.ending);
    v.word(self.how, How::not_run);
    v.number(self.status, 65'535);
    v.text(self.output, max_text);
  }
};

// A .forward or :include: file. Answered by Targets.
struct TargetsJob {
  static constexpr std::string_view name = "local.targets-job/1";
  std::string path;
  bool forward = false;  // a .forward: must be the user's or root's, and not writable for others
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.path, max_path);
    v.flag(self.forward);
  }
};

struct Target {
  enum class Kind : std::uint8_t { address, command, file, home, include };
  Kind kind = Kind::address;
  std::string text;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.kind, Kind::include);
    v.text(self.text, 64 * 1024);
  }
};

struct Targets {
  static constexpr std::string_view name = "local.targets/1";
  enum class Found : std::uint8_t {
    absent,
    present,
    unusable,  // `text` says why: wrong owner, world writable, not a file
    trouble,   // could not be read now
  };
  Found found = Found::trouble;
  std::string text;
  std::uint32_t owner_uid = 0, owner_gid = 0;
  std::vector<Target> targets;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.word(self.found, Found::trouble);
    v.text(self.text, max_text);
    v.number(self.owner_uid, UINT32_MAX);
    v.number(self.owner_gid, UINT32_MAX);
    v.list(self.targets, max_targets);
  }
};

// The message goes through cleanup again, to other recipients. Answered by Forwarded.
struct ForwardJob {
  static constexpr std::string_view name = "local.forward-job/1";
  std::string service;   // path of cleanup's socket
  std::string envelope;  // queue::encode()
  Mail mail;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.service, max_path);
    v.text(self.envelope, 12U << 20);
    v.part(self.mail);
  }
};

struct Forwarded {
  static constexpr std::string_view name = "local.forwarded/1";
  Ending ending;
  std::string id;
  std::string dsn;  // of a refusal
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.part(self.ending);
    v.text(self.id, queue::max_queue_id_length);
    v.text(self.dsn, 16);
  }
};

struct Ended {
  static constexpr std::string_view name = "local.ended/1";
  Ending ending;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.part(self.ending);
  }
};

}  // namespace postrider::local
