// header_checks and body_checks: patterns of the administrator for the lines of a message, and what is done
// about them (header_checks(5)). One Inspector follows one message; it runs on the table thread, a piece of
// content at a time, and reports to the loop what it found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/error.h"
#include "lib/table/maps.h"

namespace postrider::cleanup {

struct Checks {
  table::Maps header, mime_header, nested_header, body;
  std::size_t body_limit = 51200;      // body_checks_size_limit, for each part
  std::size_t header_limit = 102'400;  // header_size_limit
  std::size_t nesting_limit = 100;
  std::size_t boundary_limit = 2048;
  bool empty() const {
    return header.empty() && mime_header.empty() && nested_header.empty() && body.empty();
  }
};

// What was found, for the log and for the message's fate.
struct Finding {
  std::string action;       // "reject", "warning", "replace", …
  std::string where;        // "header", "mime-header", "body"
  std::string content;      // the line
  std::string explanation;  // of the administrator
};

struct Judgement {
  std::vector<Finding> findings;        // since the last look
  std::optional<std::string> rejected;  // text for the client, perhaps with a status code in front
  bool discarded = false;
  bool held = false;
  std::string filter;
  std::string redirect;
  std::vector<std::string> copies;
  std::optional<Error> trouble;  // a table could not be asked
};

class Inspector {
 public:
  // `checks` outlives it.
  explicit Inspector(const Checks& checks) : checks_(checks) {}

  // The message's own header, field by field, each ended by LF; removed ones become empty.
  void header(std::vector<std::string>& fields);
  // A piece of the body in, what remains of it out.
  void body(std::string_view bytes, std::string& out);
  void finish(std::string& out);

  // What is to be done from all that was seen; findings are handed out once.
  Judgement judge();

 private:
  enum class State { part_header, nested_header, text };
  enum class Kind { own, mime, nested, text };

  void line(std::string_view text, bool complete, std::string& out);
  std::size_t boundary_level(std::string_view text) const;
  void end_header_field(std::string& out);
  void end_header();
  void note_type(std::string_view field);
  // What becomes of `text`, which has no LF at its end; appended to `out` with one if `complete`.
  void apply(Kind kind, std::string_view text, bool complete, std::string& out);
  bool act(Kind kind, std::string_view text, const std::string& value, std::string& before,
           std::optional<std::string>& instead);

  const Checks& checks_;
  Judgement judgement_;
  bool active_ = true;  // until PASS
  State state_ = State::text;
  std::string partial_;
  bool middle_ = false;        // of a line too long to be looked at whole
  std::string field_;          // of a part's header, folds included, without the last LF
  std::size_t text_seen_ = 0;  // of this part
  std::vector<std::string> boundaries_;
  // Of the header that was read last.
  std::string next_boundary_;
  bool next_is_message_ = false;
  bool encoded_ = false;
};

}  // namespace postrider::cleanup
