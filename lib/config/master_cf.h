// One master.cf as written: the services, each with its eight fields and its arguments taken apart.
//
// Grammar (master(5)): name, type, private, unprivileged, chroot, wakeup, process limit, command with
// arguments;
// `-` stands for the default. Logical lines as in main.cf. `{ … }` groups one argument, white space and
// emptiness included. A later entry with the same name and type wins, with a warning. Read by master, by the
// daemons for nothing (master hands them their arguments), and by the configuration tools.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"

namespace postrider::config {

// One `-o name=value`.
struct Override {
  std::string name;
  std::string value;   // not expanded
  std::string origin;  // what messages call the place: "/etc/postrider/master.cf, line 12" or "command line"
};

enum class ServiceType { inet, unix_stream, unix_datagram, fifo, pass };

// "inet", "unix", "unix-dgram", "fifo", "pass".
std::string_view service_type_name(ServiceType type);

struct Service {
  std::string name;  // "smtp", "127.0.0.1:10025", "[::1]:25"; the file name of a socket
  ServiceType type = ServiceType::unix_stream;
  bool is_private = true;  // never for inet
  bool unprivileged = true;
  std::optional<bool> chroot;          // unset: the default, which depends on compatibility_level
  Seconds wakeup{0};                   // 0: never
  bool wakeup_after_use = false;       // the `?`: only once the service has been used
  std::optional<int> process_limit;    // unset: $default_process_limit; 0: no limit
  std::string command;                 // "smtpd"
  std::vector<std::string> arguments;  // everything after the command, braces taken off, -o and -v included
  std::vector<Override> overrides;     // from -o, in order; a later one wins
  int verbosity = 0;                   // number of -v
  bool debugger = false;               // -D
  int line = 0;
  int last_line = 0;
  std::vector<std::string> fields;  // the eight fields as written, the command last
};

class MasterCf {
 public:
  // configuration: a field that is missing or has an impossible value; the text names file, line and field.
  static Result<MasterCf> read(const std::string& path);
  static Result<MasterCf> parse(std::string_view text, std::string path);

  const std::string& path() const { return path_; }
  // In file order, overridden entries left out.
  const std::vector<Service>& services() const { return services_; }
  // In file order, all of them.
  const std::vector<Service>& entries() const { return entries_; }
  // nullptr when there is none. The type "" matches any.
  const Service* find(std::string_view name, std::string_view type = "") const;
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  std::string path_;
  std::vector<Service> entries_;
  std::vector<Service> services_;
  std::vector<std::string> warnings_;
};

// The overrides in the arguments of a service; configuration error for `-o` without `name=value`.
// Used for master.cf entries and for a daemon's own command line. Reading ends at the first word that is no
// option.
Result<std::vector<Override>> parse_overrides(const std::vector<std::string>& arguments,
                                              const std::string& origin);

}  // namespace postrider::config
