#include "tools/map_command.h"

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/config/common.h"
#include "lib/config/values.h"
#include "lib/os/files.h"
#include "lib/table/configured.h"
#include "lib/table/fold.h"
#include "lib/table/source.h"
#include "lib/table/table.h"
#include "lib/table/writer.h"
#include "tools/mail_keys.h"
#include "tools/map_build.h"

namespace postrider::tools {

namespace {

constexpr std::string_view map_help =
    R"(prmap: build, change, list and ask lookup tables

  prmap [type:]file...            build the database of each source file
  prmap -q key [type:]file...     print the value of a key ("-": keys from standard input)
  prmap -d key [type:]file...     remove a key ("-": keys from standard input)
  prmap -s [type:]file...         list all entries
  prmap -i [type:]file            add entries from standard input

  -b -h -m      with "-q -": standard input is a message; ask for body lines, headers, MIME parts
  -c directory  configuration directory        -f  do not fold keys to lower case
  -F            values are files, base64       -j  -q and -s print JSON
  -n -N         keys without, with NUL byte    -o  keep root's rights for other users' files
  -p            do not take over the source's mode
  -r            replace existing entries       -w  ignore entries that exist already
  -u -U         no UTF-8 checks; also on mail  -v  verbose
See prmap(1).
)";

constexpr std::string_view alias_help =
    R"(pralias: build, change, list and ask alias databases

  pralias [type:]file...          build the database of each alias file
  pralias -q name [type:]file...  print what a name stands for ("-": names from standard input)
  pralias -d name [type:]file...  remove a name ("-": names from standard input)
  pralias -s [type:]file...       list all aliases
  pralias -i [type:]file          add aliases from standard input

  -c directory  configuration directory        -f  do not fold names to lower case
  -j            -q and -s print JSON           -n -N  names without, with NUL byte
  -o            keep root's rights for other users' files
  -p            do not take over the source's mode
  -r            replace existing entries       -w  ignore entries that exist already
  -u            no UTF-8 checks                -v  verbose
See pralias(1).
)";

// Ends the command: its text was or will be logged as "fatal: …".
std::unexpected<Error> fatal(std::string text) { return fail(Trouble::permanent, std::move(text)); }

// Standard output, collected until there is nothing to do but wait for input.
class Output {
 public:
  explicit Output(int fd) : fd_(fd) {}
  Result<> print(std::string_view text) {
    buffer_ += text;
    return buffer_.size() < 64 * 1024 ? Result<>() : flush();
  }
  Result<> flush() {
    const std::string text = std::exchange(buffer_, {});
    if (text.empty()) return {};
    return os::system_files().write(fd_, text);
  }

 private:
  const int fd_;
  std::string buffer_;
};

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += std::string("\\") + c;
    else if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\u{:04x}", byte);
    else
      out += c;
  }
  return out + '"';
}

std::string entry_line(const MapRequest& request, std::string_view key, std::string_view value) {
  if (request.json) return fmt::format("{{{}: {}}}\n", json_string(key), json_string(value));
  // Alias files are written with a colon, and listed so that they can be read back.
  return fmt::format("{}{}\t{}\n", key, request.kind == MapKind::alias ? ":" : "", value);
}

// -F: values are stored in base64.
Result<std::string> shown_value(const MapRequest& request, const std::string& table, std::string_view key,
                                std::string_view value) {
  if (!request.files_as_values) return std::string(value);
  if (std::optional<std::string> decoded = base64_decode(value)) return std::move(*decoded);
  return fatal(fmt::format("table {}: key {}: value is not base64", table, key));
}

// Standard input line by line as it comes, so that a program may ask and wait for the answer: what was
// printed is written before more is read.
class Lines {
 public:
  Lines(int fd, Output& output) : fd_(fd), output_(output) {}
  // The view lasts until the next call.
  Result<std::optional<std::string_view>> next() {
    while (true) {
      const std::string_view rest = std::string_view(buffer_).substr(at_);
      if (const std::size_t end = rest.find('\n'); end != std::string_view::npos) {
        at_ += end + 1;
        return rest.substr(0, end);
      }
      if (ended_) {
        if (rest.empty()) return std::nullopt;
        at_ = buffer_.size();
        return rest;
      }
      if (rest.size() > table::max_key_length) return fatal("input line is too long");
      buffer_.erase(0, std::exchange(at_, 0));
      if (const Result<> flushed = output_.flush(); !flushed) return fail(flushed.error());
      std::string block(64 * 1024, '\0');
      const Result<std::size_t> got = os::system_files().read(fd_, block);
      if (!got) return fail(got.error());
      ended_ = *got == 0;
      buffer_.append(block, 0, *got);
    }
  }

 private:
  const int fd_;
  Output& output_;
  std::string buffer_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

class MapCommand {
 public:
  MapCommand(const MapRequest& request, const Terminal& terminal, table::Context context)
      : request_(request), terminal_(terminal), context_(std::move(context)), output_(terminal.out) {}

  // Exit status, or what was fatal.
  Result<int> run() {
    const Result<int> status = request_.query    ? query()
                               : request_.remove ? remove()
                               : request_.list   ? list()
                                                 : build_maps(request_, context_, terminal_.in);
    // What was found before something failed is shown all the same.
    if (const Result<> flushed = output_.flush(); !flushed && status) return fail(flushed.error());
    return status;
  }

 private:
  Result<> open_all() {
    for (const std::string& spec : request_.tables) {
      Result<std::unique_ptr<table::Table>> opened = table::open(spec, context_);
      if (!opened) return fail(opened.error());
      open_.push_back(std::move(*opened));
    }
    return {};
  }

  // The first table's value; the line it makes.
  Result<bool> ask(std::string_view key, bool with_key) {
    for (const auto& table : open_) {
      const Result<std::optional<std::string>> found = table->lookup(key);
      if (!found) return fatal(fmt::format("table {}: query error: {}", table->name(), found.error().text()));
      if (!*found) continue;
      if ((*found)->empty()) {
        terminal_.log.warning("table {}: key {}: empty string result is not allowed", table->name(), key);
        terminal_.log.warning("table {} should return NO RESULT in case of NOT FOUND", table->name());
      }
      const Result<std::string> value = shown_value(request_, table->name(), key, **found);
      if (!value) return fail(value.error());
      const Result<> printed =
          output_.print(with_key || request_.json ? (request_.json ? entry_line(request_, key, *value)
                                                                   : fmt::format("{}\t{}\n", key, *value))
                                                  : *value + "\n");
      if (!printed) return fail(printed.error());
      return true;
    }
    return false;
  }

  Result<int> query() {
    if (const Result<> opened = open_all(); !opened) return fail(opened.error());
    if (*request_.query != "-") {
      const Result<bool> found = ask(*request_.query, false);
      if (!found) return fail(found.error());
      return *found ? 0 : 1;
    }
    bool any = false;
    const auto ask_one = [&](std::string_view key) -> Result<> {
      const Result<bool> found = ask(key, true);
      if (!found) return fail(found.error());
      any = any || *found;
      return {};
    };
    Lines lines(terminal_.in, output_);
    MailKeys mail(request_.headers, request_.bodies, request_.mime);
    const bool is_mail = request_.headers || request_.bodies;
    while (true) {
      const Result<std::optional<std::string_view>> line = lines.next();
      if (!line) return fail(line.error());
      if (!*line) break;
      Result<> asked;
      if (is_mail)
        asked = mail.line(**line, ask_one);
      else if (request_.utf8 && context_.fold_utf8 && !table::valid_utf8(**line))
        terminal_.log.warning("non-UTF-8 input \"{}\" -- ignoring this line", **line);
      else
        asked = ask_one(**line);
      if (!asked) return fail(asked.error());
    }
    if (is_mail)
      if (const Result<> asked = mail.end(ask_one); !asked) return fail(asked.error());
    return any ? 0 : 1;
  }

  Result<int> remove() {
    bool any = false;
    std::vector<std::string> keys{*request_.remove};
    if (*request_.remove == "-") {
      keys.clear();
      Lines lines(terminal_.in, output_);
      while (true) {
        const Result<std::optional<std::string_view>> line = lines.next();
        if (!line) return fail(line.error());
        if (!*line) break;
        keys.emplace_back(**line);
      }
    }
    for (const std::string& text : request_.tables) {
      const table::Spec spec = table::parse_spec(text, context_);
      if (table::database_file(spec).empty())
        return fatal(fmt::format("{}:{} map requires O_RDONLY access mode", spec.type, spec.name));
      Result<std::unique_ptr<table::Writer>> writer =
          table::modify(spec, false, {.nul_terminated = request_.nul_terminated}, context_);
      if (!writer) return fatal(open_error(spec, writer.error()));
      bool changed = false;
      for (const std::string& key : keys) {
        const Result<bool> erased = (*writer)->erase(key);
        if (!erased)
          return fatal(
              fmt::format("table {}:{}: delete error: {}", spec.type, spec.name, erased.error().text()));
        changed = changed || *erased;
      }
      if (changed)
        if (const Result<> done = (*writer)->commit(); !done)
          return fatal(
              fmt::format("table {}:{}: write error: {}", spec.type, spec.name, done.error().text()));
      any = any || changed;
    }
    return any ? 0 : 1;
  }

  Result<int> list() {
    if (const Result<> opened = open_all(); !opened) return fail(opened.error());
    for (const auto& table : open_) {
      Result<> trouble;
      const Result<> listed = table->each([&](std::string_view key, std::string_view value) {
        const Result<std::string> shown = shown_value(request_, table->name(), key, value);
        trouble = shown ? output_.print(entry_line(request_, key, *shown)) : fail(shown.error());
        return trouble.has_value();
      });
      if (!listed) return fail(listed.error());
      if (!trouble) return fail(trouble.error());
    }
    return 0;
  }

  const MapRequest& request_;
  const Terminal& terminal_;
  const table::Context context_;
  Output output_;
  std::vector<std::unique_ptr<table::Table>> open_;
};

}  // namespace

void TerminalLog::write(Level level, std::string_view text) {
  const std::string line = fmt::format("{}: {}{}\n", program_, severity_prefix(level), printable(text));
  // Nowhere is left to complain to.
  static_cast<void>(os::system_files().write(fd_, line));
}

int run_map_command(const std::vector<std::string>& arguments, MapKind kind, const Terminal& terminal) {
  const auto stop = [&](const Error& error) {
    terminal.log.fatal("{}", error.text());
    return 1;
  };
  const Result<MapRequest> request = parse_map_request(arguments, kind);
  if (!request) return stop(request.error());
  if (request->help)
    return os::system_files().write(terminal.out, kind == MapKind::map ? map_help : alias_help) ? 0 : 1;
  terminal.log.set_verbose(request->verbose > 0);

  config::Tables tables;
  config::Limits limits;
  Result<config::Values> values = config::Values::load(request->config_directory);
  if (!values) return stop(values.error());
  if (const Result<> loaded = config::load(*values, {&tables, &limits}); !loaded) return stop(loaded.error());
  const SystemClock clock;
  table::Context context = table::configured(tables, limits, os::system_files(), terminal.log, clock);
  context.fold_keys = request->fold;
  context.fold_utf8 = context.fold_utf8 && request->utf8;
  const Result<int> status = MapCommand(*request, terminal, std::move(context)).run();
  return status ? *status : stop(status.error());
}

}  // namespace postrider::tools
