#include "lib/config/expand.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/config/expand_functions.h"

namespace postrider::config {

namespace {

constexpr std::size_t max_result = 1 << 20;
constexpr int max_nesting = 100;

bool is_name_character(char c) { return is_alnum(c) || c == '_'; }

std::unexpected<Error> mistake(std::string_view what, std::string_view where) {
  constexpr std::size_t shown = 60;
  return fail(Trouble::configuration, fmt::format("{}: \"{}\"", what, printable(where.substr(0, shown))));
}

// A reader over one piece of text.
struct Cursor {
  std::string_view rest;

  void skip_space() {
    while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  }
  bool take(std::string_view word) {
    if (!rest.starts_with(word)) return false;
    rest.remove_prefix(word.size());
    return true;
  }
  std::string_view take_name() {
    std::size_t length = 0;
    while (length < rest.size() && is_name_character(rest[length])) ++length;
    const std::string_view name = rest.substr(0, length);
    rest.remove_prefix(length);
    return name;
  }
  // The inside of a balanced pair that opens here; nullopt if it never closes. Precondition: not at the end.
  std::optional<std::string_view> take_group() {
    const char open = rest.front();
    const char close = open == '(' ? ')' : '}';
    int depth = 0;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      if (rest[i] == open) ++depth;
      if (rest[i] != close || --depth > 0) continue;
      const std::string_view inside = rest.substr(1, i - 1);
      rest.remove_prefix(i + 1);
      return inside;
    }
    return std::nullopt;
  }
};

enum class Comparison { equal, not_equal, less, less_or_equal, greater, greater_or_equal };

struct Operator {
  Comparison comparison = Comparison::equal;
  bool levels = false;
};

std::optional<Operator> take_operator(Cursor& cursor) {
  // Longer spellings first.
  static constexpr std::array<std::pair<std::string_view, Comparison>, 6> spellings{
      {{"==", Comparison::equal},
       {"!=", Comparison::not_equal},
       {"<=", Comparison::less_or_equal},
       {">=", Comparison::greater_or_equal},
       {"<", Comparison::less},
       {">", Comparison::greater}}};
  for (const auto& [spelling, comparison] : spellings) {
    if (!cursor.take(spelling)) continue;
    cursor.skip_space();
    return Operator{comparison, cursor.take("level")};
  }
  return std::nullopt;
}

bool holds(Comparison comparison, int order) {
  switch (comparison) {
    case Comparison::equal: return order == 0;
    case Comparison::not_equal: return order != 0;
    case Comparison::less: return order < 0;
    case Comparison::less_or_equal: return order <= 0;
    case Comparison::greater: return order > 0;
    case Comparison::greater_or_equal: return order >= 0;
  }
  return false;
}

template <class T>
int order_of(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

Result<int> compare(const std::string& a, const std::string& b, bool levels) {
  if (levels) {
    const std::optional<long> left = parse_level(a);
    const std::optional<long> right = parse_level(b);
    if (!left) return mistake("malformed compatibility level syntax", a);
    if (!right) return mistake("malformed compatibility level syntax", b);
    return order_of(*left, *right);
  }
  const auto all_digits = [](std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_digit);
  };
  if (!all_digits(a) || !all_digits(b)) return order_of(a, b);
  // Any number of digits: without leading zeros the longer one is greater.
  const auto significant = [](std::string_view text) {
    return text.substr(std::min(text.find_first_not_of('0'), text.size()));
  };
  const std::string_view left = significant(a);
  const std::string_view right = significant(b);
  return left.size() != right.size() ? order_of(left.size(), right.size()) : order_of(left, right);
}

// The pieces behind a name or a comparison: `?x:y`, each with or without braces. Absent pieces are nullopt.
struct Branches {
  std::optional<std::string_view> if_true;
  std::optional<std::string_view> if_false;
};

Result<Branches> take_branches(Cursor cursor) {
  Branches branches;
  const bool question = cursor.take("?");
  if (!question && !cursor.take(":")) return mistake("unexpected input", cursor.rest);
  std::optional<std::string_view>& first = question ? branches.if_true : branches.if_false;
  Cursor after_space = cursor;
  after_space.skip_space();
  if (!after_space.rest.starts_with('{')) {
    first = cursor.rest;  // the older form: everything up to the end, white space included
    return branches;
  }
  first = after_space.take_group();
  if (!first) return mistake("'{' without '}'", after_space.rest);
  after_space.skip_space();
  if (after_space.rest.empty()) return branches;
  if (!question) return mistake("unexpected input", after_space.rest);
  if (!after_space.take(":")) return mistake("\":\" expected at", after_space.rest);
  after_space.skip_space();
  if (!after_space.rest.starts_with('{')) {
    branches.if_false = after_space.rest;
    return branches;
  }
  branches.if_false = after_space.take_group();
  if (!branches.if_false) return mistake("'{' without '}'", after_space.rest);
  after_space.skip_space();
  if (!after_space.rest.empty()) return mistake("unexpected input", after_space.rest);
  return branches;
}

class Expander {
 public:
  Expander(const NameLookup& lookup, const NameTest& test) : lookup_(lookup), test_(test) {}

  Result<> run(std::string_view text, std::string& out, int depth) {
    if (depth > max_nesting) return mistake("unreasonable macro call nesting", text);
    Cursor cursor{text};
    while (!cursor.rest.empty()) {
      const std::size_t literal = std::min(cursor.rest.find('$'), cursor.rest.size());
      if (Result<> added = add(out, cursor.rest.substr(0, literal)); !added) return added;
      cursor.rest.remove_prefix(literal);
      if (!cursor.take("$")) continue;
      if (Result<> done = reference(cursor, text, out, depth); !done) return done;
    }
    return {};
  }

 private:
  static Result<> add(std::string& out, std::string_view text) {
    if (out.size() + text.size() > max_result)
      return fail(Trouble::configuration,
                  fmt::format("value longer than {} bytes after expansion", max_result));
    out += text;
    return {};
  }

  // Behind a `$`.
  Result<> reference(Cursor& cursor, std::string_view whole, std::string& out, int depth) {
    if (cursor.take("$")) return add(out, "$");
    if (cursor.rest.starts_with('{') || cursor.rest.starts_with('(')) {
      const std::optional<std::string_view> inside = cursor.take_group();
      if (!inside) return mistake("truncated macro reference", whole);
      return braced(Cursor{*inside}, out, depth);
    }
    const std::string_view name = cursor.take_name();
    if (name.empty()) return mistake("empty macro name", whole);
    return plain(name, out);
  }

  Result<> plain(std::string_view name, std::string& out) {
    const Result<std::optional<std::string>> value = lookup_(name);
    if (!value) return fail(value.error());
    return *value ? add(out, **value) : Result<>{};
  }

  // The inside of `${ }`.
  Result<> braced(Cursor cursor, std::string& out, int depth) {
    const std::string_view whole = cursor.rest;
    cursor.skip_space();
    if (cursor.rest.starts_with('{')) return comparison(cursor, whole, out, depth);
    const std::string_view name = cursor.take_name();
    if (name.empty()) return mistake("empty macro name", whole);
    cursor.skip_space();
    if (cursor.rest.empty()) return plain(name, out);
    if (cursor.rest.starts_with('{')) return call(name, cursor, whole, out, depth);
    if (cursor.rest.front() != '?' && cursor.rest.front() != ':')
      return mistake("attribute name syntax error", whole);
    const Result<Branches> branches = take_branches(cursor);
    if (!branches) return fail(branches.error());
    const Result<bool> truth = test_(name);
    if (!truth) return fail(truth.error());
    return choose(*branches, *truth, out, depth);
  }

  Result<> comparison(Cursor cursor, std::string_view whole, std::string& out, int depth) {
    const std::optional<std::string_view> left = cursor.take_group();
    if (!left) return mistake("'{' without '}'", whole);
    cursor.skip_space();
    const std::optional<Operator> compare_by = take_operator(cursor);
    if (!compare_by)
      return mistake("\"==\", \"!=\", \"<\", \"<=\", \">=\" or \">\" expected at", cursor.rest);
    cursor.skip_space();
    if (!cursor.rest.starts_with('{')) return mistake("\"{expression}\" expected at", cursor.rest);
    const std::optional<std::string_view> right = cursor.take_group();
    if (!right) return mistake("'{' without '}'", whole);
    cursor.skip_space();
    std::string a;
    std::string b;
    if (Result<> done = run(*left, a, depth + 1); !done) return done;
    if (Result<> done = run(*right, b, depth + 1); !done) return done;
    const Result<int> order = compare(a, b, compare_by->levels);
    if (!order) return fail(order.error());
    const bool truth = holds(compare_by->comparison, *order);
    if (cursor.rest.empty()) return add(out, truth ? "true" : "");
    const Result<Branches> branches = take_branches(cursor);
    if (!branches) return fail(branches.error());
    return choose(*branches, truth, out, depth);
  }

  Result<> choose(const Branches& branches, bool truth, std::string& out, int depth) {
    const std::optional<std::string_view>& chosen = truth ? branches.if_true : branches.if_false;
    return chosen ? run(*chosen, out, depth + 1) : Result<>{};
  }

  Result<> call(std::string_view name, Cursor cursor, std::string_view whole, std::string& out, int depth) {
    const std::optional<std::string_view> inside = cursor.take_group();
    if (!inside) return mistake("'{' without '}'", whole);
    cursor.skip_space();
    if (!cursor.rest.empty()) return mistake("unexpected input", cursor.rest);
    std::string argument;
    if (Result<> done = run(*inside, argument, depth + 1); !done) return done;
    const Result<std::string> value = call_function(name, argument);
    if (!value) return fail(value.error());
    return add(out, *value);
  }

  const NameLookup& lookup_;
  const NameTest& test_;
};

}  // namespace

Result<std::string> expand(std::string_view text, const NameLookup& lookup, const NameTest& test) {
  std::string out;
  if (Result<> done = Expander(lookup, test).run(text, out, 0); !done) return fail(std::move(done).error());
  return out;
}

Result<std::string> expand(std::string_view text, const NameLookup& lookup) {
  return expand(text, lookup, [&](std::string_view name) -> Result<bool> {
    const Result<std::optional<std::string>> value = lookup(name);
    if (!value) return fail(value.error());
    return *value && !(*value)->empty();
  });
}

std::vector<std::string> mentioned_names(std::string_view text, bool values_only) {
  std::vector<std::string> names;
  // Every reference starts with `$`, an optional bracket and a name; what is nested has a `$` of its own.
  for (std::size_t at = text.find('$'); at < text.size(); at = text.find('$', at)) {
    Cursor cursor{text.substr(at + 1)};
    at += 1;
    if (cursor.take("$")) {
      ++at;
      continue;
    }
    const bool bracketed = cursor.take("{") || cursor.take("(");
    if (bracketed) cursor.skip_space();
    const std::string_view name = cursor.take_name();
    if (bracketed && values_only) {
      cursor.skip_space();
      if (cursor.rest.starts_with('?') || cursor.rest.starts_with(':')) continue;
    }
    if (!name.empty() && std::ranges::find(names, name) == names.end()) names.emplace_back(name);
  }
  return names;
}

std::optional<long> parse_level(std::string_view text) {
  constexpr long place = 1000;
  const std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() > 3) return std::nullopt;
  long level = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::optional<long> part = i < parts.size() ? parse_number<long>(parts[i]) : 0;
    if (!part || *part < 0 || *part >= place) return std::nullopt;
    level = level * place + *part;
  }
  return level;
}

}  // namespace postrider::config
