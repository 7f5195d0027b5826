#include "tools/map_build.h"

#include <ctime>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <system_error>

#include <fmt/format.h>

#include "lib/base/text.h"
#include "lib/os/credentials.h"
#include "lib/os/files.h"
#include "lib/table/alias_text.h"
#include "lib/table/fold.h"
#include "lib/table/source.h"
#include "lib/table/writer.h"

namespace postrider::tools {

namespace {

std::string reason(const Error& error) {
  return error.os_error() != 0 ? std::generic_category().message(error.os_error()) : error.text();
}

std::unexpected<Error> fatal(std::string text) { return fail(Trouble::permanent, std::move(text)); }

// -F: the files named in `value`, joined by newlines, in base64.
Result<std::string> content_of(os::Files& files, std::string_view value) {
  std::string content;
  for (const std::string_view path : split_any(value, ", \t")) {
    const Result<std::string> file = os::read_file(files, std::string(path), table::max_value_length);
    if (!file) return fail(Trouble::permanent, fmt::format("open {}: {}", path, reason(file.error())));
    if (!content.empty()) content += '\n';
    content += *file;
    if (content.size() > table::max_value_length / 4 * 3)
      return fail(Trouble::permanent, "content is too long");
  }
  return base64_encode(content);
}

// One database under construction.
class Builder {
 public:
  Builder(const MapRequest& request, const table::Context& context, table::Spec spec)
      : request_(request), context_(context), spec_(std::move(spec)) {}

  Result<> build(int in) {
    os::Fd opened;
    int source = in;
    std::string path = "stdin";
    if (!request_.incremental) {
      Result<os::Fd> fd = context_.files.open(spec_.name, O_RDONLY);
      if (!fd) return fatal(fmt::format("open {}: {}", spec_.name, reason(fd.error())));
      opened = std::move(*fd);
      source = opened.get();
      path = spec_.name;
    }
    const Result<os::FileStatus> status = context_.files.fstat(source);
    if (!status) return fatal(fmt::format("fstat {}: {}", path, reason(status.error())));
    if (status->kind == os::FileStatus::Kind::directory)
      return fatal(fmt::format("read {}: Is a directory", path));
    // Root makes another user's table as that user: where he may not write, neither may we for him.
    std::optional<os::ActingAs> acting;
    if (os::running_as_root() && !request_.keep_root && status->uid != 0) {
      Result<os::ActingAs> begun = os::ActingAs::begin(status->uid, status->gid);
      if (!begun) return fatal(begun.error().text());
      acting.emplace(std::move(*begun));
    }
    const unsigned mode = request_.inherit_mode ? 0600 | (status->mode & 0044) : 0644;
    if (const Result<> begun = begin(mode); !begun) return begun;
    const Result<std::string> content = read_all(source, path);
    if (!content) return fail(content.error());
    table::SourceLines lines(*content, path, context_.log);
    while (const std::optional<table::SourceLines::Line> line = lines.next())
      if (const Result<> added = add(*line, path); !added) return added;
    if (request_.kind == MapKind::alias)
      if (const Result<> marked = mark(); !marked) return marked;
    if (const Result<> done = writer_->commit(); !done) return write_error(done.error());
    return {};
  }

 private:
  Result<> begin(unsigned mode) {
    using Duplicates = table::WriterOptions::Duplicates;
    const table::WriterOptions options{
        .duplicates = request_.replace ? Duplicates::replace : Duplicates::keep,
        .mode = mode,
        .nul_terminated = request_.nul_terminated};
    Result<std::unique_ptr<table::Writer>> writer = request_.incremental
                                                        ? table::modify(spec_, true, options, context_)
                                                        : table::build(spec_, options, context_);
    if (!writer) return fatal(open_error(spec_, writer.error()));
    writer_ = std::move(*writer);
    return {};
  }

  Result<std::string> read_all(int fd, const std::string& path) {
    std::string content;
    std::string block(256 * 1024, '\0');
    while (true) {
      const Result<std::size_t> got = context_.files.read(fd, block);
      if (!got) return fatal(fmt::format("read {}: {}", path, reason(got.error())));
      if (*got == 0) return content;
      if (content.size() + *got > table::max_source_file)
        return fatal(fmt::format("{}: larger than {} bytes", path, table::max_source_file));
      content.append(block, 0, *got);
    }
  }

  void warn(const std::string& path, int line, std::string_view text) {
    context_.log.warning("{}, line {}: {}", path, line, text);
  }

  Result<> add(const table::SourceLines::Line& line, const std::string& path) {
    if (context_.fold_utf8 && !table::valid_utf8(line.text)) {
      warn(path, line.number, fmt::format("non-UTF-8 input \"{}\" -- ignoring this line", line.text));
      return {};
    }
    Result<table::KeyValue> entry =
        request_.kind == MapKind::map ? table::split_key_value(line.text) : table::split_alias(line.text);
    if (!entry) {
      warn(path, line.number, entry.error().text());
      return {};
    }
    if (request_.kind == MapKind::alias) {
      if (const auto targets = table::parse_alias_value(entry->value); !targets) {
        warn(path, line.number, targets.error().text() + " -- ignoring this line");
        return {};
      }
    } else if (entry->key.ends_with(':')) {
      warn(path, line.number, "record is in \"key: value\" format; is this an alias file?");
    }
    if (request_.files_as_values) {
      Result<std::string> content = content_of(context_.files, entry->value);
      if (!content) {
        warn(path, line.number, content.error().text() + ": skipping this entry");
        return {};
      }
      entry->value = std::move(*content);
    }
    const Result<bool> stored = writer_->put(entry->key, entry->value);
    if (!stored) return write_error(stored.error());
    if (!*stored && !request_.ignore_duplicates)
      context_.log.warning("{}: duplicate entry: \"{}\"", writer_->file(),
                           context_.fold_keys ? table::fold(entry->key, context_.fold_utf8) : entry->key);
    return {};
  }

  // What sendmail and NIS look for in an alias database: that it is complete, when and where it was made.
  Result<> mark() {
    if (const Result<bool> put = writer_->put("@", "@"); !put) return write_error(put.error());
    std::array<char, 256> host{};
    if (gethostname(host.data(), host.size() - 1) != 0) return {};
    const std::string now = fmt::format("{:010}", std::time(nullptr));
    for (const auto& [key, value] :
         {std::pair<std::string_view, std::string_view>("YP_LAST_MODIFIED", now),
          std::pair<std::string_view, std::string_view>("YP_MASTER_NAME", host.data())})
      if (const Result<> put = writer_->put_marker(key, value); !put) return write_error(put.error());
    return {};
  }

  std::unexpected<Error> write_error(const Error& error) {
    return fatal(fmt::format("table {}:{}: write error: {}", spec_.type, spec_.name, reason(error)));
  }

  const MapRequest& request_;
  const table::Context& context_;
  const table::Spec spec_;
  std::unique_ptr<table::Writer> writer_;
};

}  // namespace

std::string open_error(const table::Spec& spec, const Error& error) {
  // What is no matter of the file itself says so on its own.
  if (error.os_error() == 0) return error.text();
  return fmt::format("open database {}: {}", table::database_file(spec), reason(error));
}

Result<int> build_maps(const MapRequest& request, const table::Context& context, int in) {
  for (const std::string& text : request.tables) {
    const Result<> built = Builder(request, context, table::parse_spec(text, context)).build(in);
    if (!built) return fail(built.error());
  }
  return 0;
}

}  // namespace postrider::tools
