#include "lib/table/pattern_table.h"

#include <fmt/format.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/table/source.h"

namespace postrider::table {

namespace {

// A result text, cut at its $number references.
struct Piece {
  std::string text;
  std::size_t group = 0;  // 0: literal text
};

Result<std::vector<Piece>> parse_result(std::string_view text) {
  const auto bad = [] { return fail(Trouble::permanent, "bad replacement syntax: skipping this rule"); };
  std::vector<Piece> pieces;
  const auto literal = [&](std::string_view part) {
    if (pieces.empty() || pieces.back().group != 0) pieces.emplace_back();
    pieces.back().text += part;
  };
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    literal(text.substr(0, dollar));
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      literal("$");
      text.remove_prefix(1);
      continue;
    }
    std::string_view index;
    if (text.starts_with('{') || text.starts_with('(')) {
      const std::size_t end = text.find(text.front() == '{' ? '}' : ')');
      if (end == std::string_view::npos) return bad();
      index = text.substr(1, end - 1);
      text.remove_prefix(end + 1);
    } else {
      std::size_t end = 0;
      while (end < text.size() && is_digit(text[end])) ++end;
      index = text.substr(0, end);
      text.remove_prefix(end);
    }
    const std::optional<std::size_t> group = parse_number<std::size_t>(index);
    if (!group) return bad();
    if (*group == 0)
      return fail(Trouble::permanent,
                  fmt::format("out of range replacement index \"{}\": skipping this rule", index));
    pieces.push_back({{}, *group});
  }
  return pieces;
}

struct Rule {
  enum class Kind { result, if_, endif };
  Kind kind = Kind::result;
  bool negated = false;
  int line = 0;
  std::unique_ptr<Pattern> pattern;
  std::vector<Piece> result;
  std::size_t end = 0;  // of an if: the index of its endif
};

struct Written {
  bool negated = false;
  std::string pattern;
  std::string_view flags;
  std::string_view rest;  // after the flags, without white space in front
};

// "!/pattern/flags rest". A backslash keeps a delimiter inside the pattern.
Result<Written> parse_pattern(std::string_view text) {
  Written written;
  text = trim(text);
  while (text.starts_with('!')) {
    written.negated = !written.negated;
    text = trim(text.substr(1));
  }
  if (text.empty()) return fail(Trouble::permanent, "no regexp: skipping this rule");
  const char delimiter = text.front();
  std::size_t at = 1;
  while (at < text.size() && text[at] != delimiter) {
    if (text[at] == '\\' && at + 1 < text.size()) {
      // The engine sees "/" for "\/", whatever an escaped delimiter would mean to it.
      if (text[at + 1] != delimiter) written.pattern += '\\';
      ++at;
    }
    written.pattern += text[at++];
  }
  if (at >= text.size())
    return fail(Trouble::permanent,
                fmt::format("no closing regexp delimiter \"{}\": skipping this rule", delimiter));
  const std::size_t flags = ++at;
  while (at < text.size() && !is_space(text[at])) ++at;
  written.flags = text.substr(flags, at - flags);
  written.rest = trim(text.substr(at));
  return written;
}

class PatternTable final : public TextTable {
 public:
  PatternTable(std::string type, const std::string& path, PatternCompiler compile, const Context& context)
      : TextTable(type, path, {.pattern = true, .fold = false}, context),
        type_(std::move(type)),
        compile_(compile) {}

 private:
  void warn(int line, std::string_view text) {
    context_.log.warning("{} map {}, line {}: {}", type_, path(), line, text);
  }

  Result<> load(std::string_view content) override {
    rules_.clear();
    open_ifs_.clear();
    SourceLines lines(content, path(), context_.log);
    while (const std::optional<SourceLines::Line> line = lines.next()) {
      const Result<> added = add(trim(line->text), line->number);
      if (!added) warn(line->number, added.error().text());
    }
    for (auto i = open_ifs_.rbegin(); i != open_ifs_.rend(); ++i) {
      warn(rules_[*i].line, "IF has no matching ENDIF");
      rules_[*i].end = rules_.size();
    }
    return {};
  }

  static bool keyword(std::string_view text, std::string_view word) {
    return istarts_with(text, word) && (text.size() == word.size() || !is_alnum(text[word.size()]));
  }

  Result<> add(std::string_view text, int line) {
    if (!is_alnum(text.front())) return add_result(text, line);
    if (keyword(text, "if")) return add_if(text.substr(2), line);
    if (keyword(text, "endif")) {
      if (text.size() > 5) warn(line, "ignoring extra text after ENDIF");
      if (open_ifs_.empty()) return fail(Trouble::permanent, "ignoring ENDIF without matching IF");
      rules_[open_ifs_.back()].end = rules_.size();
      open_ifs_.pop_back();
      rules_.push_back({.kind = Rule::Kind::endif, .line = line});
      return {};
    }
    return fail(Trouble::permanent, "ignoring unrecognized request");
  }

  Result<> add_if(std::string_view text, int line) {
    Result<Written> written = parse_pattern(text);
    if (!written) return fail(written.error());
    if (!written->rest.empty()) {
      warn(line, fmt::format("ignoring extra text after IF statement: \"{}\"", written->rest));
      warn(line, "do not prepend whitespace to statements between IF and ENDIF");
    }
    Result<std::unique_ptr<Pattern>> pattern = compile_(written->pattern, written->flags);
    if (!pattern) return fail(pattern.error());
    open_ifs_.push_back(rules_.size());
    rules_.push_back({.kind = Rule::Kind::if_,
                      .negated = written->negated,
                      .line = line,
                      .pattern = std::move(*pattern),
                      .result = {}});
    return {};
  }

  Result<> add_result(std::string_view text, int line) {
    Result<Written> written = parse_pattern(text);
    if (!written) return fail(written.error());
    if (written->rest.empty()) warn(line, "no replacement text: using empty string");
    Result<std::unique_ptr<Pattern>> pattern = compile_(written->pattern, written->flags);
    if (!pattern) return fail(pattern.error());
    Result<std::vector<Piece>> result = parse_result(written->rest);
    if (!result) return fail(result.error());
    for (const Piece& piece : *result) {
      if (piece.group == 0) continue;
      if (written->negated)
        return fail(Trouble::permanent,
                    "$number found in negative match replacement text: skipping this rule");
      if (piece.group > (*pattern)->group_count())
        return fail(Trouble::permanent,
                    fmt::format("out of range replacement index \"{}\": skipping this rule", piece.group));
    }
    rules_.push_back({.kind = Rule::Kind::result,
                      .negated = written->negated,
                      .line = line,
                      .pattern = std::move(*pattern),
                      .result = std::move(*result)});
    return {};
  }

  Result<std::optional<std::string>> find_loaded(std::string_view key) override {
    Pattern::Groups groups;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
      const Rule& rule = rules_[i];
      if (rule.kind == Rule::Kind::endif) continue;
      const bool wants_groups =
          rule.result.size() > 1 || (rule.result.size() == 1 && rule.result[0].group > 0);
      const Result<bool> matched = rule.pattern->matches(key, wants_groups ? &groups : nullptr);
      if (!matched)
        return fail(Trouble::temporary,
                    fmt::format("{} map {}, line {}: {}", type_, path(), rule.line, matched.error().text()));
      if (*matched == rule.negated) {
        if (rule.kind == Rule::Kind::if_) i = rule.end;
        continue;
      }
      if (rule.kind == Rule::Kind::if_) continue;
      std::string out;
      for (const Piece& piece : rule.result) {
        const std::string_view part =
            piece.group == 0 ? piece.text
                             : (piece.group < groups.size() ? groups[piece.group] : std::string_view());
        if (out.size() + part.size() > max_value_length)
          return fail(Trouble::temporary,
                      fmt::format("{} map {}, line {}: result is too long", type_, path(), rule.line));
        out += part;
      }
      return out;
    }
    return std::nullopt;
  }

  const std::string type_;
  const PatternCompiler compile_;
  std::vector<Rule> rules_;
  std::vector<std::size_t> open_ifs_;
};

}  // namespace

Result<std::unique_ptr<Table>> open_pattern_table(std::string type, const std::string& path,
                                                  PatternCompiler compile, const Context& context) {
  auto made = std::make_unique<PatternTable>(std::move(type), path, compile, context);
  if (const Result<> started = made->start(); !started) return fail(started.error());
  return made;
}

}  // namespace postrider::table
