#include "lib/table/alias_text.h"

#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/base/text.h"

namespace postrider::table {

namespace {

// Reads the pieces of RFC 822 text, one call per special character.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool done() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  char take() { return text_[at_++]; }
  std::string_view rest() const { return text_.substr(at_); }
  void skip(std::size_t count) { at_ += count; }
  void skip_spaces() {
    while (!done() && is_space(peek())) ++at_;
  }

  // What is between quotes, at the opening one; backslashes undone.
  Result<std::string> quoted() {
    std::string out;
    take();
    while (!done()) {
      const char c = take();
      if (c == '"') return out;
      if (c == '\\' && !done())
        out += take();
      else
        out += c;
    }
    return fail(Trouble::permanent, "unbalanced '\"'");
  }

  // Over a comment, at its opening parenthesis. Comments nest; depth is a counter, not recursion.
  Result<> comment() {
    std::size_t depth = 0;
    while (!done()) {
      const char c = take();
      if (c == '\\' && !done()) take();
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return {};
    }
    return fail(Trouble::permanent, "unbalanced '('");
  }

  // From '[' through ']', as it is.
  Result<std::string_view> literal() {
    const std::size_t start = at_;
    while (!done()) {
      const char c = take();
      if (c == '\\' && !done()) take();
      if (c == ']') return text_.substr(start, at_ - start);
    }
    return fail(Trouble::permanent, "unbalanced '['");
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// One destination as it grows.
struct Element {
  std::string text;
  bool at_sign = false;  // outside quotes: this is an address whatever it begins with
  bool space = false;    // white space since the last word
  bool any = false;

  void word(std::string_view part, bool joins) {
    // "first last" keeps one space between words; none around the specials of an address.
    if (space && any && !joins && !text.ends_with('@') && !text.ends_with('.')) text += ' ';
    text += part;
    any = true;
    space = false;
  }
};

AliasTarget classify(Element element) {
  std::string& text = element.text;
  if (text.starts_with('|')) return {AliasTarget::Kind::command, std::string(trim(text.substr(1)))};
  if (!element.at_sign && text.starts_with('/')) return {AliasTarget::Kind::file, std::move(text)};
  if (!element.at_sign && text.starts_with('~')) return {AliasTarget::Kind::home, std::move(text)};
  constexpr std::string_view include = ":include:";
  if (istarts_with(text, include))
    return {AliasTarget::Kind::include, std::string(trim(text.substr(include.size())))};
  return {AliasTarget::Kind::address, std::move(text)};
}

// The pieces of one value, until each comma.
class ValueParser {
 public:
  explicit ValueParser(std::string_view text) : in_(text) {}

  Result<std::vector<AliasTarget>> parse() {
    while (!in_.done()) {
      const Result<> stepped = step();
      if (!stepped) return fail(stepped.error());
      if (targets_.size() > max_alias_targets)
        return fail(Trouble::permanent, fmt::format("more than {} destinations", max_alias_targets));
    }
    if (bracket_) return fail(Trouble::permanent, "unbalanced '<'");
    finish();
    return std::move(targets_);
  }

 private:
  void finish() {
    if (element_.any && !element_.text.empty()) targets_.push_back(classify(std::move(element_)));
    element_ = {};
  }

  Result<> step() {
    const char c = in_.peek();
    if (is_space(c)) {
      in_.skip_spaces();
      element_.space = true;
      return {};
    }
    switch (c) {
      case ',':
      case ';':
        in_.take();
        if (bracket_) return fail(Trouble::permanent, "unbalanced '<'");
        finish();
        return {};
      case '(': return in_.comment();
      case '"': {
        const Result<std::string> text = in_.quoted();
        if (!text) return fail(text.error());
        element_.word(*text, false);
        return {};
      }
      case '[': {
        const Result<std::string_view> text = in_.literal();
        if (!text) return fail(text.error());
        element_.word(*text, true);
        return {};
      }
      case '<':
        // The name before the address is for people.
        in_.take();
        if (bracket_) return fail(Trouble::permanent, "unbalanced '<'");
        bracket_ = true;
        element_ = {};
        return {};
      case '>':
        in_.take();
        if (!bracket_) return fail(Trouble::permanent, "unbalanced '>'");
        bracket_ = false;
        finish();
        return {};
      case ':': return colon();
      case '@':
        in_.take();
        element_.at_sign = true;
        element_.word("@", true);
        return {};
      default: return atom();
    }
  }

  Result<> colon() {
    constexpr std::string_view include = ":include:";
    if (!element_.any && istarts_with(in_.rest(), include)) {
      in_.skip(include.size());
      in_.skip_spaces();
      element_.word(include, false);
      return {};
    }
    in_.take();
    // "|command a:b" and "/file:x" are no groups; "<@a,@b:user@c>" loses its source route.
    if (element_.text.starts_with('|') || element_.text.starts_with('/') || element_.text.starts_with(':')) {
      element_.word(":", true);
      return {};
    }
    element_ = {};
    return {};
  }

  Result<> atom() {
    std::string text;
    while (!in_.done()) {
      const char c = in_.peek();
      if (is_space(c) || std::string_view(",;(\"[<>:@)").find(c) != std::string_view::npos) break;
      in_.take();
      if (c == '\\' && !in_.done())
        text += in_.take();
      else
        text += c;
    }
    if (text.empty()) return fail(Trouble::permanent, fmt::format("unbalanced '{}'", in_.peek()));
    element_.word(text, text.front() == '.');
    return {};
  }

  Scanner in_;
  std::vector<AliasTarget> targets_;
  Element element_;
  bool bracket_ = false;
};

}  // namespace

Result<KeyValue> split_alias(std::string_view line) {
  const auto need_pair = [] { return fail(Trouble::permanent, "need name:value pair"); };
  if (line.find('\0') != std::string_view::npos) return fail(Trouble::permanent, "NUL byte in text");
  Scanner in(line);
  Element name;
  while (true) {
    in.skip_spaces();
    if (in.done()) return need_pair();
    const char c = in.peek();
    if (c == ':' && name.any) break;
    if (c == '"') {
      const Result<std::string> text = in.quoted();
      if (!text) return fail(text.error());
      name.word(*text, false);
    } else if (c == '(') {
      if (const Result<> over = in.comment(); !over) return fail(over.error());
    } else if (c == '@') {
      return fail(Trouble::permanent, "name must be local");
    } else if (c == ':' || c == ',' || c == ';' || c == '<' || c == '>') {
      return need_pair();
    } else {
      std::string text;
      while (!in.done() && !is_space(in.peek()) &&
             std::string_view(":\"(@,;<>").find(in.peek()) == std::string_view::npos) {
        const char d = in.take();
        text += d == '\\' && !in.done() ? in.take() : d;
      }
      name.word(text, false);
    }
    name.space = true;
  }
  in.take();
  KeyValue entry{std::move(name.text), std::string(trim(in.rest()))};
  if (entry.key.empty() || entry.value.empty()) return need_pair();
  return entry;
}

Result<std::vector<AliasTarget>> parse_alias_value(std::string_view value) {
  if (value.find('\0') != std::string_view::npos) return fail(Trouble::permanent, "NUL byte in value");
  return ValueParser(value).parse();
}

Result<std::vector<AliasTarget>> parse_alias_file(std::string_view content, const std::string& path,
                                                  Log& log) {
  std::vector<AliasTarget> all;
  SourceLines lines(content, path, log);
  while (const std::optional<SourceLines::Line> line = lines.next()) {
    Result<std::vector<AliasTarget>> some = parse_alias_value(line->text);
    if (!some)
      return fail(Trouble::permanent,
                  fmt::format("{}, line {}: {}", path, line->number, some.error().text()));
    if (all.size() + some->size() > max_alias_targets)
      return fail(Trouble::permanent, fmt::format("{}: more than {} destinations", path, max_alias_targets));
    all.insert(all.end(), std::make_move_iterator(some->begin()), std::make_move_iterator(some->end()));
  }
  return all;
}

}  // namespace postrider::table
