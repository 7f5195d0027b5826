// pipe(8): mail into commands. Which command, as whom and with what on its standard input is said by
// the arguments of the service in master.cf:
//
//   flags=BDFORXhqu.>  user=name[:group]  argv=command argument…  [directory=dir] [eol=\r\n]
//   [null_sender=address] [size=bytes]
//
// The command runs in a worker that has become `user`; no shell is involved.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/config/common.h"
#include "lib/ipc/call.h"
#include "local/config.h"
#include "local/crew.h"
#include "local/letter.h"

namespace postrider::local {

struct PipeService {
  std::string user;                  // "name" or "name:group"
  std::vector<std::string> command;  // with ${name} in it
  std::string directory;
  std::string line_end = "\n";
  std::string null_sender = "MAILER-DAEMON";
  std::uint64_t size_limit = 0;
  bool blank_line = false;      // B
  bool delivered_to = false;    // D
  bool from_line = false;       // F
  bool original_to = false;     // O
  bool return_path = false;     // R
  bool final_delivery = false;  // X
  bool fold_domain = false;     // h
  bool fold_user = false;       // u
  bool quote = false;           // q
  bool dot_quoted = false;      // .
  bool from_quoted = false;     // >
};

// configuration: the text names the argument that is wrong.
Result<PipeService> parse_pipe_service(const std::vector<std::string>& arguments);

// What the command line is for these recipients. An argument that mentions a recipient
// (${recipient}, ${user}, ${mailbox}, ${extension}, ${domain}, ${original_recipient}) is repeated for
// each of them; one that expands to nothing stays as an empty argument. permanent: an address would
// become an option.
Result<std::vector<std::string>> expand_command(const PipeService& service, const queue::Envelope& envelope,
                                                std::string_view nexthop, std::string_view delimiters);

struct PipeSettings {
  DeliveryConfig delivery;
  PipeConfig pipe;
  config::Domains domains;
  config::Limits limits;
};

class PipeAgent {
 public:
  struct Surroundings {
    event::Loop& loop;
    Log& log;
    event::TaskScope& tasks;
    event::StopToken stop;
    bool as_root = false;
    std::string service_name;
    std::vector<std::string> environment;  // export_environment
  };
  PipeAgent(Surroundings around, const PipeSettings& settings, PipeService service, Seconds time_limit);
  // Looks up the user. configuration: there is none, or he is root.
  Result<> open(const std::string& mail_owner);

  // Serves one delivery request; throws Ended when it is malformed.
  event::Task<> handle(ipc::Call call, ipc::Frame frame);

 private:
  event::Task<RecipientOutcome> run(const Letter& letter);

  Surroundings around_;
  const PipeSettings& settings_;
  PipeService service_;
  Seconds time_limit_;
  Crew crew_;
  Identity rights_;
};

}  // namespace postrider::local
