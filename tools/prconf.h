// prconf: shows and changes main.cf and master.cf, and lists the parameters of every program.
//
// Options, output and messages are those of postconf(1); called as `postconf` it also calls itself so in
// messages. Everything printed is collected in a Console, so that tests run the command as the shell does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/config/catalogue.h"
#include "lib/config/master_cf.h"
#include "lib/config/names.h"
#include "lib/config/values.h"

namespace postrider::tools {

// What the command prints, in the order printed on each stream.
struct Console {
  std::string program;  // "prconf" or "postconf"
  std::string out;
  std::string err;

  void line(std::string_view text) { out.append(text) += '\n'; }
  void warning(std::string_view text) { err.append(program).append(": warning: ").append(text) += '\n'; }
  void fatal(std::string_view text) { err.append(program).append(": fatal: ").append(text) += '\n'; }
};

enum class PrconfMode { main_cf, services, fields, overrides, about };

struct PrconfRequest {
  PrconfMode mode = PrconfMode::main_cf;    // -p, -M, -F, -P, or one of -a -A -b -l -m -t -T --check --mdoc
  std::string topic;                        // of `about`: "a", "A", …, "check", "mdoc", "help"
  std::string directory;                    // -c, $MAIL_CONFIG or the installed one
  bool defaults = false;                    // -d
  bool only_set = false;                    // -n
  bool edit = false;                        // -e, or name=value arguments
  bool exclude = false;                     // -X
  bool comment_out = false;                 // -#
  bool fold = false;                        // -f
  bool no_names = false;                    // -h
  bool no_values = false;                   // -H
  bool json = false;                        // -j
  bool expand = false;                      // -x
  bool quiet = false;                       // -q
  std::vector<std::string> classes;         // -C; empty: all
  std::vector<config::Override> overrides;  // -o
  std::vector<std::string> arguments;

  bool changes() const { return edit || exclude || comment_out; }
};

// The command line; an error is a usage mistake in postconf's words.
Result<PrconfRequest> parse_prconf(const std::vector<std::string>& arguments);
std::string prconf_usage(std::string_view program);
std::string prconf_help(std::string_view program);

// The parameters of every program of the suite.
config::Catalogue every_parameter();

// `name = value` in postconf's format: white space as single spaces; with fold, lines broken before
// column 80.
std::string folded_line(std::string_view text, bool fold);
// One object on one line, keys in the order given.
std::string json_object(const std::vector<std::pair<std::string_view, std::string_view>>& members);
// Prints one parameter as the request wants it.
void print_parameter(Console& console, const PrconfRequest& request, std::string_view name,
                     std::string_view value);

// Each returns the exit status.
int show_parameters(const PrconfRequest& request, Console& console);
int edit_parameters(const PrconfRequest& request, Console& console);
int show_services(const PrconfRequest& request, Console& console);
int edit_services(const PrconfRequest& request, Console& console);
int show_about(const PrconfRequest& request, Console& console);

// Complaints about names, which postconf prints around its answer.
void warn_before(const PrconfRequest& request, const config::Names& names, Console& console);
void warn_after(const PrconfRequest& request, const config::Names& names, Console& console);

// mdoc items for a manual page: the parameters of one room, or of all of them for "".
std::string parameters_mdoc(const config::Catalogue& catalogue, std::string_view room);

// What is wrong with the configuration: names that nobody obeys and the like are `warnings`, values that a
// program would refuse `errors`. Each service of master.cf is checked with its own -o. Used by `postrider
// check` too.
struct Findings {
  std::vector<std::string> warnings;
  std::vector<std::string> errors;
};
Findings check_configuration(const std::string& directory);

// The whole command. arguments[0] is the program's name.
int run_prconf(const std::vector<std::string>& arguments, Console& console);

}  // namespace postrider::tools
