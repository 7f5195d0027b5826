// prlog: writes lines into the mail log, for scripts. Options of postlog(1).
#include <cstdio>

#include <fmt/core.h>
#include <sysexits.h>

#include "lib/base/text.h"
#include "lib/os/process.h"
#include "tools/command.h"

using namespace postrider;
using tools::Command;

namespace {

constexpr const char* usage =
    "usage: {0} [-c config_directory] [-i] [-p priority] [-t tag] [text ...]\n"
    "  -p  info (default), warn, error, fatal or panic      -t  what stands for the program's name\n"
    "Without text, each line of standard input is logged.\n";

std::optional<Level> level(std::string_view name) {
  if (name == "info") return Level::info;
  if (name == "warn" || name == "warning") return Level::warning;
  if (name == "error") return Level::error;
  if (name == "fatal") return Level::fatal;
  if (name == "panic") return Level::panic;
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  os::open_standard_streams();
  Command command(argv[0], "prlog", "postlog");
  const Result<tools::Options> parsed = tools::parse_options(argc, argv, "c:ip:t:v");
  if (!parsed) {
    fmt::print(stderr, fmt::runtime(usage), command.program());
    return command.fatal(EX_USAGE, parsed.error().text());
  }
  if (parsed->help) {
    fmt::print(fmt::runtime(usage), command.program());
    return EX_OK;
  }
  std::string directory, tag, priority = "info";
  for (const auto& [letter, text] : parsed->options) {
    if (letter == 'c') directory = text;
    if (letter == 't') tag = text;
    if (letter == 'p') priority = text;
  }
  const std::optional<Level> severity = level(priority);
  if (!severity)
    return command.fatal(EX_USAGE, "\"" + priority + "\" is no priority: info, warn, error, fatal, panic");
  if (!command.open(directory)) return EX_CONFIG;
  if (!tag.empty()) command.set_tag(tag);
  if (!parsed->operands.empty()) {
    std::string text;
    for (const std::string& word : parsed->operands) text += (text.empty() ? "" : " ") + word;
    command.log().write(*severity, text);
    return EX_OK;
  }
  char line[4096];
  while (std::fgets(line, sizeof line, stdin)) command.log().write(*severity, trim(line));
  return EX_OK;
}
