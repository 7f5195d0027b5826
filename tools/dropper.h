// A submission on its way from sendmail: to pickup's socket when it is small and pickup is there, else to a
// prdrop that is run for it.
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
  struct Ways {
    std::string intake;  // path of pickup's socket
    std::string prdrop;  // path of the program
    std::string config_directory;
  };

  // permanent: the envelope is over its caps.
  static Result<Dropper> start(Ways ways, const queue::Envelope& envelope);
  Dropper(Dropper&& other) noexcept;
  Dropper& operator=(Dropper&&) = delete;
  // Without finish() nothing is submitted.
  ~Dropper() override;

  bool put(std::string_view content) override;
  int finish() override;

 private:
  Dropper() = default;
  void run_prdrop();
  void send(std::string_view bytes);

  Ways ways_;
  std::string held_;  // the stream so far, while it may still go to pickup
  pid_t pid_ = 0;     // prdrop's, when it had to be run
  os::Fd input_;
  bool taken_ = true;
};

// What a Dropper's end means to the caller of sendmail: its exit code, and a sentence.
struct DropVerdict {
  int status;
  const char* text;
};
DropVerdict judge_drop(int exit_status);

}  // namespace postrider::tools
