// prmap and pralias: build, change, list and ask lookup tables, as postmap(1) and postalias(1) do.
//
// One implementation, since the two differ only in how a source line is read and in what an alias
// database holds besides its aliases. newaliases runs pralias. Messages are
// Postfix's; called under its names the commands also call themselves so.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/log.h"

namespace postrider::tools {

// Where a command reads and writes. The descriptors stay the caller's.
struct Terminal {
  int in = 0;
  int out = 1;
  Log& log;
};

// "program: warning: …" on a descriptor.
class TerminalLog final : public Log {
 public:
  TerminalLog(std::string program, int fd) : program_(std::move(program)), fd_(fd) {}
  void write(Level level, std::string_view text) override;

 private:
  const std::string program_;
  const int fd_;
};

enum class MapKind { map, alias };

struct MapRequest {
  MapKind kind = MapKind::map;
  bool list = false;                   // -s
  std::optional<std::string> query;    // -q key, "-" for standard input
  std::optional<std::string> remove;   // -d key, "-" for standard input
  bool incremental = false;            // -i
  bool fold = true;                    // -f clears it
  bool files_as_values = false;        // -F
  bool json = false;                   // -j
  bool headers = false;                // -h
  bool bodies = false;                 // -b
  bool mime = false;                   // -m
  std::optional<bool> nul_terminated;  // -N, -n
  bool keep_root = false;              // -o
  bool inherit_mode = true;            // -p clears it
  bool replace = false;                // -r
  bool ignore_duplicates = false;      // -w
  bool utf8 = true;                    // -u clears it
  bool check_utf8_of_mail = false;     // -U
  int verbose = 0;                     // -v
  bool help = false;
  std::string config_directory;     // -c, else MAIL_CONFIG, else the built-in one
  std::vector<std::string> tables;  // "type:name" or "name"
};

// arguments[0] is the program's name. The error (permanent) is the usage or what contradicts itself.
Result<MapRequest> parse_map_request(const std::vector<std::string>& arguments, MapKind kind);

// The whole command; returns its exit status.
int run_map_command(const std::vector<std::string>& arguments, MapKind kind, const Terminal& terminal);

}  // namespace postrider::tools
