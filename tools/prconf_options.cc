// The command line of prconf.

#include <algorithm>
#include <array>
#include <cstdlib>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/install_paths.h"
#include "lib/config/list.h"
#include "tools/prconf.h"

namespace postrider::tools {

namespace {

constexpr std::string_view with_value = "cCoT";
constexpr std::string_view known = "aAbcCdefFhHjlmMnopPqtTvxX#";
// Of each group one at most.
constexpr std::array<std::string_view, 3> exclusive{"aAbFlmMpPtT", "dneX#", "hH"};

std::unexpected<Error> usage(std::string text) { return fail(Trouble::permanent, std::move(text)); }

std::string_view allowed_in(char mode) {
  switch (mode) {
    case 'M': return "Mcefjoqvx X#";
    case 'F': return "FcefhHjoqvx";
    case 'P': return "PcefhHjoqvxX";
    case 'p': return "pcCdefhHjnoqvxX#";
    default: return "cvj";
  }
}

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  Result<PrconfRequest> run() {
    if (const char* directory = std::getenv("MAIL_CONFIG")) request_.directory = directory;
    if (request_.directory.empty()) request_.directory = config::install_paths().config_directory;
    for (at_ = 1; at_ < arguments_.size(); ++at_) {
      const std::string& argument = arguments_[at_];
      if (argument == "--") {
        ++at_;
        break;
      }
      if (argument.starts_with("--")) {
        if (Result<> done = long_option(argument); !done) return fail(std::move(done).error());
      } else if (argument.size() > 1 && argument.front() == '-') {
        if (Result<> done = cluster(argument); !done) return fail(std::move(done).error());
      } else {
        break;
      }
    }
    request_.arguments.assign(arguments_.begin() + static_cast<std::ptrdiff_t>(at_), arguments_.end());
    if (Result<> done = check(); !done) return fail(std::move(done).error());
    return std::move(request_);
  }

 private:
  Result<> long_option(std::string_view option) {
    static constexpr std::array<std::string_view, 4> names{"--help", "--check", "--mdoc", "--version"};
    if (std::ranges::find(names, option) == names.end())
      return usage(fmt::format("unknown option {}", option));
    if (!topic_.empty()) return usage(fmt::format("specify one of --{} {}", topic_, option));
    topic_ = option.substr(2);
    return {};
  }

  Result<> cluster(const std::string& argument) {
    for (std::size_t i = 1; i < argument.size(); ++i) {
      const char letter = argument[i];
      if (known.find(letter) == std::string_view::npos)
        return usage(fmt::format("invalid option -- '{}'", letter));
      given_ += letter;
      if (with_value.find(letter) == std::string_view::npos) {
        flag(letter);
        continue;
      }
      std::string value = argument.substr(i + 1);
      if (value.empty()) {
        if (++at_ == arguments_.size())
          return usage(fmt::format("option requires an argument -- '{}'", letter));
        value = arguments_[at_];
      }
      return valued(letter, value);
    }
    return {};
  }

  void flag(char letter) {
    switch (letter) {
      case 'd': request_.defaults = true; break;
      case 'n': request_.only_set = true; break;
      case 'e': request_.edit = true; break;
      case 'X': request_.exclude = true; break;
      case '#': request_.comment_out = true; break;
      case 'f': request_.fold = true; break;
      case 'h': request_.no_names = true; break;
      case 'H': request_.no_values = true; break;
      case 'j': request_.json = true; break;
      case 'x': request_.expand = true; break;
      case 'q': request_.quiet = true; break;
      default:  // modes are looked at when all is known; -v says nothing more here
        break;
    }
  }

  Result<> valued(char letter, const std::string& value) {
    if (letter == 'c') {
      request_.directory = value;
    } else if (letter == 'T') {
      request_.arguments = {value};
      tls_mode_ = value;
    } else if (letter == 'C') {
      for (std::string& name : config::split_list(value).value_or(std::vector<std::string>{})) {
        static constexpr std::array<std::string_view, 4> classes{"builtin", "service", "user", "all"};
        if (std::ranges::find(classes, name) == classes.end())
          return usage(fmt::format("unknown -C option value \"{}\" in \"{}\"", name, value));
        if (name != "all") request_.classes.push_back(std::move(name));
      }
    } else {
      const std::size_t equals = value.find('=');
      const std::string_view name = trim(std::string_view(value).substr(0, equals));
      if (equals == std::string::npos || name.empty())
        return usage(fmt::format("option -o wants name=value, not \"{}\"", value));
      request_.overrides.push_back(
          {std::string(name), std::string(trim(std::string_view(value).substr(equals + 1))), "command line"});
    }
    return {};
  }

  Result<> check() {
    for (const std::string_view group : exclusive) {
      std::string both;
      for (const char letter : group)
        if (given_.find(letter) != std::string::npos) both += fmt::format(" -{}", letter);
      if (both.size() > std::string_view(" -x").size()) return usage("specify one of" + both);
    }
    const std::size_t mode_at = given_.find_first_of(exclusive[0]);
    const char mode = mode_at == std::string::npos ? 'p' : given_[mode_at];
    if (!topic_.empty()) {
      if (mode_at != std::string::npos) return usage(fmt::format("specify one of --{} -{}", topic_, mode));
      request_.mode = PrconfMode::about;
      request_.topic = topic_;
      return {};
    }
    for (const char letter : given_)
      if (letter != mode && allowed_in(mode).find(letter) == std::string_view::npos)
        return usage(fmt::format("with option -{}, do not specify -{}", mode, letter));
    return choose(mode);
  }

  Result<> choose(char mode) {
    switch (mode) {
      case 'p': request_.mode = PrconfMode::main_cf; break;
      case 'M': request_.mode = PrconfMode::services; break;
      case 'F': request_.mode = PrconfMode::fields; break;
      case 'P': request_.mode = PrconfMode::overrides; break;
      default:
        request_.mode = PrconfMode::about;
        request_.topic = std::string(1, mode);
        if (mode == 'T') request_.arguments.insert(request_.arguments.begin(), tls_mode_);
        return {};
    }
    // Arguments with a value ask for a change without saying -e; the first one decides, as in postconf.
    if (!request_.changes() && !request_.arguments.empty() && !request_.defaults && !request_.only_set &&
        request_.arguments.front().find('=') != std::string::npos)
      request_.edit = true;
    if (request_.edit && request_.arguments.empty()) return usage("-e requires name=value argument");
    if (request_.changes() && request_.arguments.empty())
      return usage(fmt::format("-{} requires at least one argument", request_.exclude ? 'X' : '#'));
    return {};
  }

  const std::vector<std::string>& arguments_;
  std::size_t at_ = 1;
  std::string given_;  // the option letters in order
  std::string topic_;
  std::string tls_mode_;
  PrconfRequest request_;
};

}  // namespace

Result<PrconfRequest> parse_prconf(const std::vector<std::string>& arguments) {
  return Parser(arguments).run();
}

std::string prconf_usage(std::string_view program) {
  return fmt::format(
      "usage: {} [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] [-c config_dir] "
      "[-C param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] [-F (master.cf "
      "fields)] "
      "[-h (no names)] [-H (no values)] [-j (JSON)] [-l (lock types)] [-m (map types)] [-M (master.cf)] "
      "[-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)] "
      "[-P (master.cf parameters)] [-q (quiet)] [-t (bounce templates)] "
      "[-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] "
      "[-X (exclude)] [-# (comment-out)] [--check] [--mdoc] [--help] [name...]",
      program);
}

std::string prconf_help(std::string_view program) {
  return fmt::format(
      "{0}: show and change the configuration\n"
      "\n"
      "main.cf\n"
      "  {0} [-dfhHjnqx] [-c dir] [-C class,...] [-o name=value] [parameter ...]\n"
      "  {0} [-e] parameter=value ...      set\n"
      "  {0} -X parameter ...              remove\n"
      "  {0} -# parameter ...              comment out\n"
      "master.cf\n"
      "  {0} -M [-fjqx] [service[/type] ...]                  entries\n"
      "  {0} -F [-fhHjqx] [service[/type[/field]] ...]        fields of entries\n"
      "  {0} -P [-fhHjqx] [service[/type[/parameter]] ...]    parameters of entries\n"
      "  {0} -M service/type=entry | -F service/type/field=value | -P service/type/parameter=value\n"
      "  {0} -MX service/type | -M# service/type | -PX service/type/parameter\n"
      "about the installation\n"
      "  {0} -a | -A | -l | -m | -T mode   SASL, lock and table types, TLS library\n"
      "  {0} --check                       everything that is wrong with the configuration\n"
      "  {0} --mdoc [program]              manual of the parameters\n"
      "\n"
      "  -c dir  where main.cf and master.cf are      -n  only what is set\n"
      "  -d      defaults                             -f  fold long lines\n"
      "  -x      expand $name                         -h, -H  without names, without values\n"
      "  -j      one JSON object per line             -q  no warnings about names\n"
      "  -C builtin,service,user,all                  -o name=value  as if main.cf said so\n"
      "\n"
      "See prconf(1).\n",
      program);
}

}  // namespace postrider::tools
