// The header block of a message: fields as views into LF content, and the few edits cleanup and the
// delivery agents make.
//
// Content comes from strangers and may be no message at all: whatever does not look like a header ends
// the block. Nothing is copied or allocated per field; counts and lengths are capped by the scanner.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace postrider::message {

struct HeaderField {
  std::string_view name;  // "Subject"; "" for a mailbox line
  std::string_view body;  // after the colon and blanks, folds included, without the last LF; cut at the limit
  std::string_view raw;   // all of it, as it stands in the content, with its LF where it has one
  std::size_t offset = 0;     // of `raw` in the content
  bool cut = false;           // longer than the limit
  bool mailbox_line = false;  // "From user date" before the first field, as mbox writes it

  // ASCII case-insensitive.
  bool is(std::string_view wanted) const;
};

struct HeaderLimits {
  std::size_t field = 102'400;  // header_size_limit, bytes of one body
  std::size_t fields = 10'000;  // in one block
};

// Walks the block once: `while (auto field = scanner.next())`.
class HeaderScanner {
 public:
  // `content` must outlive the fields. Field bodies end before a line that is not folded.
  explicit HeaderScanner(std::string_view content, const HeaderLimits& limits = {});

  std::optional<HeaderField> next();
  // After next() returned nothing: where the block ended; the blank line, if any, follows there.
  std::size_t header_size() const { return at_; }
  // Where the body begins: past the blank line, or at the line that was no header.
  std::size_t body_offset() const;
  // The block was cut off by HeaderLimits::fields; there may be more.
  bool too_many() const { return too_many_; }

 private:
  std::string_view content_;
  HeaderLimits limits_;
  std::size_t at_ = 0;
  std::size_t count_ = 0;
  bool too_many_ = false;
};

// The length of the field name when `line` is the first line of a header field, else 0: printable ASCII
// without
// ':' and blanks, then blanks, then ':' (RFC 5322 2.2 and 4.5).
std::size_t header_name_size(std::string_view line);

// Finds the end of the header block of content that arrives in pieces, looking at each line once.
class HeaderBoundary {
 public:
  // `content` is all that arrived so far. The offset of the body once it is known; `at_end` says that nothing
  // more will come. header_size() is then the block without the blank line.
  std::optional<std::size_t> find(std::string_view content, bool at_end);
  std::size_t header_size() const { return line_; }

 private:
  std::size_t line_ = 0;   // where the line begins that is not yet decided
  bool foldable_ = false;  // a field came before it
};

// The first field of that name, or nothing. Linear in the block.
std::optional<HeaderField> find_header(std::string_view content, std::string_view name);
// The body without folds and outer blanks; "" when there is no such field.
std::string header_value(std::string_view content, std::string_view name);
// How many fields have the name, up to `limit`.
std::size_t count_headers(std::string_view content, std::string_view name, std::size_t limit);

// A field as it is written, ended by LF. Line ends in `body` that are no folds, and control characters,
// become blanks, so a value cannot add a field.
std::string format_header(std::string_view name, std::string_view body);
// `content` without the fields of these names. Everything else, the body included, stays byte for byte.
std::string remove_headers(std::string_view content, std::initializer_list<std::string_view> names);

// The body without its folds: each LF is dropped, the white space after it stays (RFC 5322 2.2.3).
std::string unfold(std::string_view body);

}  // namespace postrider::message
