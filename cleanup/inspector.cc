#include "cleanup/inspector.h"

#include <algorithm>
#include <array>

#include "lib/base/text.h"
#include "lib/message/header.h"

namespace postrider::cleanup {

namespace {

constexpr std::size_t longest_line = 2048;  // longer ones are looked at in pieces, as line_length_limit says

bool is_mime_header(std::string_view name) {
  constexpr std::array<std::string_view, 6> names{
      "content-description", "content-disposition",       "content-id",
      "content-type",        "content-transfer-encoding", "mime-version"};
  return std::ranges::any_of(names, [&](std::string_view one) { return iequals(one, name); });
}

std::string_view name_of(std::string_view field) { return trim(field.substr(0, field.find(':'))); }

// A parameter of a Content-Type body; quotes removed, comments not understood.
std::string parameter(std::string_view body, std::string_view wanted) {
  std::size_t at = body.find(';');
  while (at != std::string_view::npos && at < body.size()) {
    ++at;
    while (at < body.size() && is_space(body[at])) ++at;
    const std::size_t equals = body.find_first_of("=;", at);
    if (equals == std::string_view::npos) break;
    if (body[equals] == ';') {
      at = equals;
      continue;
    }
    const std::string_view name = trim(body.substr(at, equals - at));
    std::string value;
    at = equals + 1;
    while (at < body.size() && is_space(body[at])) ++at;
    if (at < body.size() && body[at] == '"') {
      for (++at; at < body.size() && body[at] != '"'; ++at) {
        if (body[at] == '\\' && at + 1 < body.size()) ++at;
        value += body[at];
      }
      at = body.find(';', std::min(at, body.size()));
    } else {
      const std::size_t end = std::min(body.find_first_of("; \t\n", at), body.size());
      value = body.substr(at, end - at);
      at = body.find(';', end);
    }
    if (iequals(name, wanted)) return value;
  }
  return {};
}

}  // namespace

void Inspector::header(std::vector<std::string>& fields) {
  next_boundary_.clear();
  next_is_message_ = encoded_ = false;
  for (std::string& field : fields) {
    std::string_view text = field;
    if (text.ends_with('\n')) text.remove_suffix(1);
    note_type(text);
    std::string kept;
    apply(is_mime_header(name_of(text)) ? Kind::mime : Kind::own, text, true, kept);
    field = std::move(kept);
  }
  end_header();
}

void Inspector::body(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    const std::size_t lf = bytes.find('\n');
    if (lf != std::string_view::npos && partial_.empty()) {
      line(bytes.substr(0, lf), true, out);
      bytes.remove_prefix(lf + 1);
      continue;
    }
    const std::size_t most = longest_line - std::min(longest_line, partial_.size());
    const std::size_t take = std::min({bytes.size(), lf, most});
    partial_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    const bool complete = !bytes.empty() && bytes.front() == '\n';
    if (complete) bytes.remove_prefix(1);
    if (!complete && partial_.size() < longest_line) return;
    const std::string text = std::exchange(partial_, {});
    line(text, complete, out);
  }
}

void Inspector::finish(std::string& out) {
  if (!partial_.empty()) {
    const std::string text = std::exchange(partial_, {});
    line(text, false, out);
  }
  if (!field_.empty()) end_header_field(out);
}

void Inspector::line(std::string_view text, bool complete, std::string& out) {
  const bool begins = !middle_;
  middle_ = !complete;
  if (!begins) {
    if (!field_.empty()) {
      // The rest of a header line over the limit belongs to it, unexamined.
      if (field_.size() < checks_.header_limit) field_ += text;
      return;
    }
    return apply(Kind::text, text, complete, out);
  }
  if (!boundaries_.empty() && text.starts_with("--")) {
    if (const std::size_t level = boundary_level(text); level > 0) {
      if (!field_.empty()) end_header_field(out);
      const bool last = text.substr(2 + boundaries_[level - 1].size()).starts_with("--");
      boundaries_.resize(last ? level - 1 : level);
      state_ = last ? State::text : State::part_header;
      next_boundary_.clear();
      next_is_message_ = encoded_ = false;
      text_seen_ = 0;
      out += text;
      if (complete) out += '\n';
      return;
    }
  }
  if (state_ != State::text) {
    const bool folded = !field_.empty() && !text.empty() && (text.front() == ' ' || text.front() == '\t');
    if (folded) {
      if (field_.size() < checks_.header_limit) {
        field_ += '\n';
        field_ += text;
      }
      return;
    }
    if (!field_.empty()) end_header_field(out);
    if (message::header_name_size(text) > 0) {
      field_ = text;
      return;
    }
    end_header();
    if (text.empty()) {
      out += '\n';
      return;
    }
  }
  apply(Kind::text, text, complete, out);
}

// Which of the open boundaries the line is, counted from 1 outermost; 0: none.
std::size_t Inspector::boundary_level(std::string_view text) const {
  text.remove_prefix(2);
  std::size_t level = boundaries_.size();
  while (level > 0 && !text.starts_with(boundaries_[level - 1])) --level;
  return level;
}

void Inspector::end_header_field(std::string& out) {
  const std::string field = std::exchange(field_, {});
  note_type(field);
  const Kind kind =
      state_ == State::nested_header && !is_mime_header(name_of(field)) ? Kind::nested : Kind::mime;
  apply(kind, field, true, out);
}

void Inspector::note_type(std::string_view field) {
  const std::string_view name = name_of(field);
  const std::size_t colon = field.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view body = trim(field.substr(colon + 1));
  if (iequals(name, "content-transfer-encoding")) {
    encoded_ = istarts_with(body, "base64") || istarts_with(body, "quoted-printable");
  } else if (iequals(name, "content-type")) {
    next_boundary_.clear();
    next_is_message_ = istarts_with(body, "message/rfc822") || istarts_with(body, "message/global");
    if (istarts_with(body, "multipart/"))
      next_boundary_ = parameter(body, "boundary").substr(0, checks_.boundary_limit);
  }
}

// After the last field of a header: what follows is what its Content-Type said.
void Inspector::end_header() {
  state_ = State::text;
  text_seen_ = 0;
  if (!next_boundary_.empty() && boundaries_.size() < checks_.nesting_limit) {
    boundaries_.push_back(std::move(next_boundary_));
  } else if (next_is_message_ && !encoded_) {
    state_ = State::nested_header;
  }
  next_boundary_.clear();
  next_is_message_ = encoded_ = false;
}

void Inspector::apply(Kind kind, std::string_view text, bool complete, std::string& out) {
  const auto keep = [&](std::string_view kept) {
    out += kept;
    if (complete) out += '\n';
  };
  const table::Maps& maps = kind == Kind::own      ? checks_.header
                            : kind == Kind::mime   ? checks_.mime_header
                            : kind == Kind::nested ? checks_.nested_header
                                                   : checks_.body;
  bool look = active_ && !maps.empty() && !judgement_.trouble;
  if (kind == Kind::text) {
    look = look && text_seen_ < checks_.body_limit;
    text_seen_ += text.size() + 1;
  }
  if (!look) return keep(text);
  const auto found = maps.lookup(text);
  if (!found) {
    judgement_.trouble = found.error();
    return keep(text);
  }
  if (!*found) return keep(text);
  std::string before;
  std::optional<std::string> instead;
  if (!act(kind, text, **found, before, instead)) return keep(text);
  out += before;
  if (!instead)
    keep(text);
  else if (!instead->empty())
    keep(*instead);
}

// False: an action nobody knows. `instead` becomes what stands in the line's place, empty for nothing.
bool Inspector::act(Kind kind, std::string_view text, const std::string& value, std::string& before,
                    std::optional<std::string>& instead) {
  const std::string_view trimmed = trim(value);
  const std::size_t blank = std::min(trimmed.find_first_of(" \t"), trimmed.size());
  const std::string action = lower(trimmed.substr(0, blank));
  const std::string argument(trim(trimmed.substr(blank)));
  const auto note = [&](const char* name) {
    Finding& finding = judgement_.findings.emplace_back();
    finding.action = name;
    finding.where = kind == Kind::text ? "body" : kind == Kind::mime ? "mime-header" : "header";
    finding.content = text.substr(0, 200);
    finding.explanation = argument;
  };
  if (action == "dunno" || action == "ok") return true;
  if (action == "pass") {
    note("pass");
    active_ = false;
  } else if (action == "reject") {
    note("reject");
    if (!judgement_.rejected) judgement_.rejected = argument;
  } else if (action == "warn") {
    note("warning");
  } else if (action == "info") {
    note("info");
  } else if (action == "discard") {
    note("discard");
    judgement_.discarded = true;
    active_ = false;
  } else if (action == "hold") {
    if (!judgement_.held) note("hold");
    judgement_.held = true;
  } else if (action == "filter") {
    if (argument.find(':') == std::string::npos) return false;
    note("filter");
    judgement_.filter = argument;
  } else if (action == "redirect") {
    if (argument.find('@') == std::string::npos) return false;
    note("redirect");
    judgement_.redirect = argument;
  } else if (action == "bcc") {
    if (argument.find('@') == std::string::npos) return false;
    note("bcc");
    judgement_.copies.push_back(argument);
  } else if (action == "prepend") {
    // A header must stay one: anything else would end it.
    if (argument.empty() || (kind != Kind::text && message::header_name_size(argument) == 0)) return false;
    note("prepend");
    before = argument + "\n";
  } else if (action == "replace") {
    if (argument.empty() || (kind != Kind::text && message::header_name_size(argument) == 0)) return false;
    note("replace");
    instead = argument;
  } else if (action == "ignore") {
    instead = "";
  } else if (action == "strip") {
    note("strip");
    instead = "";
  } else {
    note("warning");
    judgement_.findings.back().explanation = "unknown action in the table: " + action;
    return false;
  }
  return true;
}

Judgement Inspector::judge() {
  Judgement judgement = judgement_;
  judgement_.findings.clear();
  return judgement;
}

}  // namespace postrider::cleanup
