// A running prdrop that takes one message from us.
#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

#include "lib/base/error.h"
#include "lib/os/fd.h"
#include "lib/queue/envelope.h"

namespace postrider::tools {

// Where a submission's content goes; an interface so that dialogues are tested without a program.
class MessageSink {
 public:
  virtual ~MessageSink() = default;
  // False: no more is wanted, finish() will say why.
  virtual bool put(std::string_view content) = 0;
  // Ends the message. 0 means that it is on stable storage; else prdrop's exit code.
  virtual int finish() = 0;
};

class Dropper final : public MessageSink {
 public:
  // permanent: the envelope is over its caps; temporary: prdrop cannot be run.
  static Result<Dropper> start(const std::string& program, const std::string& config_directory,
                               const queue::Envelope& envelope);
  Dropper(Dropper&& other) noexcept;
  Dropper& operator=(Dropper&&) = delete;
  // Without finish() prdrop throws away what it got.
  ~Dropper() override;

  bool put(std::string_view content) override;
  int finish() override;

 private:
  Dropper() = default;
  bool send(std::string_view bytes);
  pid_t pid_ = 0;
  os::Fd input_;
  bool taken_ = true;
};

// What prdrop's exit code means to the caller of sendmail: its exit code, and a sentence.
struct DropVerdict {
  int status;
  const char* text;
};
DropVerdict judge_drop(int exit_status);

}  // namespace postrider::tools
