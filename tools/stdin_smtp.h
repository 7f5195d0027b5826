// sendmail -bs: an SMTP server for the program at the other end of standard input. Whoever runs it may submit
// mail anyway, so there is no access control; what it accepts goes the way of every local submission.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/queue/envelope.h"
#include "lib/smtp/command.h"
#include "lib/smtp/data.h"
#include "tools/dropper.h"

namespace postrider::tools {

class StdinSmtp {
 public:
  struct Settings {
    std::string hostname;
    std::string mail_name;
    std::uint64_t size_limit = 0;  // message_size_limit; 0: none
    bool utf8 = true;
  };
  // Opens a submission when DATA came.
  using Open = std::function<Result<std::unique_ptr<MessageSink>>(const queue::Envelope&)>;

  StdinSmtp(Settings settings, Open open) : settings_(std::move(settings)), open_(std::move(open)) {}

  std::string greeting() const;
  // Appends replies to `out`. False after QUIT, or a line that is too long to be one.
  bool feed(std::string_view bytes, std::string& out);

 private:
  smtp::Reply command(std::string_view line);
  smtp::Reply extended_hello(std::string_view arguments) const;
  smtp::Reply mail(std::string_view arguments);
  smtp::Reply rcpt(std::string_view arguments);
  smtp::Reply data();
  smtp::Reply end_of_data();

  const Settings settings_;
  const Open open_;
  std::string line_;
  std::optional<queue::Envelope> envelope_;
  std::unique_ptr<MessageSink> sink_;
  std::optional<smtp::DataDecoder> decoder_;
  bool quit_ = false;
};

}  // namespace postrider::tools
