#include "lib/daemon/command_line.h"

#include <cstdlib>

#include "lib/base/text.h"
#include "lib/config/install_paths.h"

namespace postrider::daemon {

Result<CommandLine> parse_command_line(int argc, const char* const* argv, std::string_view program) {
  CommandLine line;
  line.service = program;
  if (const char* directory = std::getenv("MAIL_CONFIG")) line.config_directory = directory;
  if (line.config_directory.empty()) line.config_directory = config::install_paths().config_directory;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      line.help = true;
    } else if (argument == "-v") {
      ++line.verbose;
    } else if (argument.size() == 2 && argument[0] == '-' &&
               std::string_view("ntlco").find(argument[1]) != std::string_view::npos) {
      if (++i == argc) return fail(Trouble::permanent, "option " + std::string(argument) + " needs a value");
      const std::string value = argv[i];
      switch (argument[1]) {
        case 'n': line.service = value; break;
        case 't': line.type = value; break;
        case 'c': line.config_directory = value; break;
        case 'o': line.options.push_back(value); break;
        default: {
          const auto count = parse_number<int>(value);
          if (!count || *count < 0 || *count > 1000)
            return fail(Trouble::permanent, "option -l: \"" + value + "\" is no number from 0 to 1000");
          line.listeners = *count;
        }
      }
    } else if (argument.starts_with("-") && argument.size() > 1) {
      return fail(Trouble::permanent, "unknown option " + std::string(argument));
    } else {
      for (; i < argc; ++i) line.arguments.emplace_back(argv[i]);
    }
  }
  return line;
}

std::vector<std::string> format_command_line(const std::string& program, const CommandLine& line) {
  std::vector<std::string> arguments = {program,
                                        "-n",
                                        line.service,
                                        "-t",
                                        line.type,
                                        "-l",
                                        std::to_string(line.listeners),
                                        "-c",
                                        line.config_directory};
  for (const std::string& option : line.options) {
    arguments.emplace_back("-o");
    arguments.push_back(option);
  }
  for (int i = 0; i < line.verbose; ++i) arguments.emplace_back("-v");
  arguments.insert(arguments.end(), line.arguments.begin(), line.arguments.end());
  return arguments;
}

}  // namespace postrider::daemon
