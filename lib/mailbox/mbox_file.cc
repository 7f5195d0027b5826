#include "lib/mailbox/mbox_file.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/mailbox/line_ends.h"
#include "lib/mailbox/percent.h"
#include "lib/message/header.h"

namespace postrider::mailbox {

namespace {

constexpr std::size_t block_size = 64 * 1024;
constexpr std::size_t header_limit = 1 << 20;  // what is kept of a header; the rest is body to us

// Lines with their offsets. A line longer than a block comes in pieces.
class Lines {
 public:
  Lines(os::Files& files, int fd) : files_(files), fd_(fd) {}

  // The next line with its end, empty at the end of the file; valid until the next call.
  Result<std::string_view> next() {
    position_ += taken_;
    begin_ += taken_;
    auto end = buffer_.find('\n', begin_);
    if (end == std::string::npos) {
      buffer_.erase(0, begin_);
      begin_ = 0;
      while (end == std::string::npos && buffer_.size() < block_size) {
        const std::size_t had = buffer_.size();
        buffer_.resize(had + block_size);
        const auto got = files_.pread(fd_, std::span(buffer_).subspan(had), position_ + had);
        if (!got) return fail(got.error());
        buffer_.resize(had + *got);
        if (*got == 0) break;
        end = buffer_.find('\n', had);
      }
    }
    taken_ = (end == std::string::npos ? buffer_.size() : end + 1) - begin_;
    return std::string_view(buffer_).substr(begin_, taken_);
  }
  std::uint64_t position() const { return position_; }  // of the line that next() returned
  std::uint64_t after() const { return position_ + taken_; }
  // Continues elsewhere.
  void seek(std::uint64_t to) {
    buffer_.clear();
    begin_ = taken_ = 0;
    position_ = to;
  }

 private:
  os::Files& files_;
  int fd_;
  std::string buffer_;
  std::size_t begin_ = 0;
  std::size_t taken_ = 0;
  std::uint64_t position_ = 0;
};

bool is_time(std::string_view word) {
  const auto colon = word.find(':');
  return (colon == 1 || colon == 2) && word.size() >= colon + 3 && is_digit(word[0]) &&
         is_digit(word[colon + 1]) && is_digit(word[colon + 2]);
}

bool is_separator(std::string_view line) {
  if (!line.starts_with("From ")) return false;
  const auto words = split_any(line, " \t\r\n");
  return std::any_of(words.begin(), words.end(), is_time);
}

bool is_blank(std::string_view line) { return line == "\n" || line == "\r\n"; }

constexpr std::initializer_list<std::string_view> own_fields = {
    "Content-Length", "X-IMAP", "X-IMAPbase", "X-UID", "Status", "X-Status", "X-Keywords"};

class Scanner {
 public:
  Scanner(os::Files& files, int fd) : files_(files), fd_(fd), lines_(files, fd) {}

  Result<MboxScan> run() {
    auto line = lines_.next();
    if (!line) return fail(line.error());
    while (!line->empty()) {
      if (!line->starts_with("From ")) return fail(Trouble::permanent, "not an mbox file");
      if (const auto read = read_message(); !read) return fail(read.error());
      line = separator_;
    }
    forget_bad_uids();
    return std::move(scan_);
  }

 private:
  // From the separator that was just read to the next one, which is left in separator_.
  Result<> read_message() {
    MboxMessage message;
    message.begin = lines_.position();
    message.header = lines_.after();
    std::string header;
    bool ended = false;  // by a blank line
    while (!ended) {
      const auto line = lines_.next();
      if (!line) return fail(line.error());
      if (line->empty() || is_blank(*line)) {
        ended = true;
      } else if (header.size() + line->size() > header_limit) {
        break;
      } else {
        header += *line;
      }
    }
    message.body = ended ? lines_.after() : lines_.position();
    if (!ended) lines_.seek(message.body);
    const auto length = read_header(header, message);
    const auto visible = visible_header(header);
    message.md5 = md5_hex(visible);
    LineEnds ends;
    ends.count(visible);
    message.octets = visible.size() + ends.bare() + 2;

    if (length) {
      const auto believed = read_body_of(message, *length);
      if (!believed) return fail(believed.error());
      if (*believed) return finish(std::move(message));
      lines_.seek(message.body);
    }
    return read_body(std::move(message));
  }

  // What the fields say; the Content-Length.
  std::optional<std::uint64_t> read_header(const std::string& header, MboxMessage& message) {
    std::optional<std::uint64_t> length;
    message::HeaderScanner fields(header);
    while (const auto field = fields.next()) {
      const auto value = trim(field->body);
      if (field->is("Content-Length")) {
        length = parse_number<std::uint64_t>(value);
      } else if (field->is("Status")) {
        message.seen = value.contains('R');
      } else if (field->is("X-UID")) {
        message.uid = parse_number<std::uint32_t>(value).value_or(0);
      } else if ((field->is("X-IMAPbase") || field->is("X-IMAP")) && scan_.messages.empty()) {
        const auto words = split_any(value, " \t\n");
        const auto validity = words.empty() ? std::nullopt : parse_number<std::uint32_t>(words[0]);
        scan_.uid_validity = validity.value_or(0);
        scan_.base_line = std::string(field->raw);
        message.internal = field->is("X-IMAP");
      }
    }
    return length;
  }

  // True when the body really ends after `length` bytes.
  Result<bool> read_body_of(MboxMessage& message, std::uint64_t length) {
    char after[6] = {};
    if (length > std::uint64_t{1} << 62) return false;
    const auto size = files_.fstat(fd_);
    if (!size) return fail(size.error());
    if (message.body > size->size || length > size->size - message.body) return false;
    const std::uint64_t end = message.body + length;
    const auto got = files_.pread(fd_, after, end);
    if (!got) return fail(got.error());
    const std::string_view text(after, *got);
    const std::size_t gap = text.starts_with('\n') ? 1 : 0;
    if (!text.empty() && text != "\n" && !text.substr(gap).starts_with("From ")) return false;
    const auto sizes = measure_file(files_, fd_, message.body, length);
    if (!sizes) return fail(sizes.error());
    message.octets += sizes->virtual_size;
    message.end = end;
    message.next = end + gap;
    return true;
  }

  Result<> read_body(MboxMessage message) {
    LineEnds ends;
    bool blank = true;             // the line before was one
    std::uint64_t blank_size = 0;  // of that one, which is the separator's if one follows
    message.end = message.body;
    while (true) {
      const auto line = lines_.next();
      if (!line) return fail(line.error());
      if (line->empty() || (blank && is_separator(*line))) break;
      const bool line_blank = is_blank(*line);
      if (blank_size != 0) {
        message.octets += 2;
        message.end += blank_size;
      }
      blank_size = 0;
      if (line_blank) {
        blank_size = line->size();
      } else {
        const auto before = ends.bare();
        ends.count(*line);
        message.octets += line->size() + ends.bare() - before;
        message.end += line->size();
      }
      blank = line_blank;
    }
    message.next = lines_.position();
    return finish(std::move(message));
  }

  Result<> finish(MboxMessage message) {
    lines_.seek(message.next);
    const auto line = lines_.next();
    if (!line) return fail(line.error());
    separator_ = *line;
    scan_.messages.push_back(std::move(message));
    return {};
  }

  // UIDs must rise and need a UIDVALIDITY; from the first that does not, none is believed.
  void forget_bad_uids() {
    std::uint32_t last = 0;
    bool good = scan_.uid_validity != 0;
    for (auto& message : scan_.messages) {
      if (message.uid == 0) continue;
      good = good && message.uid > last;
      if (!good) message.uid = 0;
      last = std::max(last, message.uid);
    }
  }

  os::Files& files_;
  int fd_;
  Lines lines_;
  std::string separator_;
  MboxScan scan_;
};

}  // namespace

std::string visible_header(std::string_view header) { return message::remove_headers(header, own_fields); }

Result<MboxScan> scan_mbox(os::Files& files, int fd) { return Scanner(files, fd).run(); }

}  // namespace postrider::mailbox
