#include <cstdlib>

#include <fmt/format.h>

#include "lib/config/install_paths.h"
#include "tools/map_command.h"

namespace postrider::tools {

namespace {

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string usage(const std::string& program, MapKind kind) {
  return fmt::format("usage: {} [-{}] [-c config_dir] [-d key] [-q key] [map_type:]file...", program,
                     kind == MapKind::map ? "bfFhijmnNoprsuUvw" : "Nfijnoprsuvw");
}

// Notes one option letter; false for a letter that the command does not have.
bool note(MapRequest& request, char letter) {
  switch (letter) {
    case 'f': request.fold = false; return true;
    case 'i': request.incremental = true; return true;
    case 'j': request.json = true; return true;
    case 'n': request.nul_terminated = false; return true;
    case 'N': request.nul_terminated = true; return true;
    case 'o': request.keep_root = true; return true;
    case 'p': request.inherit_mode = false; return true;
    case 'r': request.replace = true; return true;
    case 's': request.list = true; return true;
    case 'u': request.utf8 = false; return true;
    case 'v': ++request.verbose; return true;
    case 'w': request.ignore_duplicates = true; return true;
    default: break;
  }
  if (request.kind == MapKind::alias) return false;
  switch (letter) {
    case 'b': request.bodies = true; return true;
    case 'F': request.files_as_values = true; return true;
    case 'h': request.headers = true; return true;
    case 'm': request.mime = true; return true;
    case 'U': request.check_utf8_of_mail = true; return true;
    default: return false;
  }
}

}  // namespace

Result<MapRequest> parse_map_request(const std::vector<std::string>& arguments, MapKind kind) {
  MapRequest request;
  request.kind = kind;
  const std::string program = arguments.empty() ? "" : base_name(arguments[0]);
  const auto wrong = [&](const std::string& text) { return fail(Trouble::permanent, text); };
  std::optional<std::string> directory;
  if (const char* from_environment = std::getenv("MAIL_CONFIG")) directory = from_environment;
  std::size_t i = 1;
  for (; i < arguments.size() && arguments[i].size() > 1 && arguments[i][0] == '-'; ++i) {
    if (arguments[i] == "--") {
      ++i;
      break;
    }
    if (arguments[i] == "--help") {
      request.help = true;
      return request;
    }
    for (std::size_t k = 1; k < arguments[i].size(); ++k) {
      const char letter = arguments[i][k];
      if (letter != 'c' && letter != 'd' && letter != 'q') {
        if (!note(request, letter)) return wrong(usage(program, kind));
        continue;
      }
      std::string value = arguments[i].substr(k + 1);
      if (value.empty()) {
        if (++i == arguments.size()) return wrong(usage(program, kind));
        value = arguments[i];
      }
      if (letter == 'c') {
        directory = value;
      } else {
        if (request.list || request.query || request.remove)
          return wrong("specify only one of -s or -q or -d");
        (letter == 'q' ? request.query : request.remove) = value;
      }
      break;
    }
  }
  request.tables.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i), arguments.end());
  request.config_directory = directory.value_or(config::install_paths().config_directory);
  if (request.list && (request.query || request.remove)) return wrong("specify only one of -s or -q or -d");
  if ((request.headers || request.bodies) && request.query != "-")
    return wrong("specify -b or -h or -bh only with \"-q -\"");
  if (request.mime && !request.headers && !request.bodies) return wrong("specify -m with -b or -h");
  if (request.tables.empty()) return wrong(usage(program, kind));
  return request;
}

}  // namespace postrider::tools
