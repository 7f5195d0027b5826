#include "lib/address/path.h"

#include <string>
#include <utility>

#include "lib/address/domain.h"
#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::address {
namespace {

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// One pass over the text; every function leaves `at_` after what it took.
class Reader {
 public:
  Reader(std::string_view text, const PathRules& rules) : text_(text), rules_(rules) {}

  Result<Path> path() {
    const bool bracket = next() == '<';
    if (!bracket && rules_.strict) return fail(Trouble::permanent, "address without angle brackets");
    if (bracket) ++at_;
    if (bracket) skip_blanks();
    if (bracket && next() == '@') {
      if (auto skipped = route(); !skipped) return fail(std::move(skipped.error()));
      skip_blanks();
    }
    Path out;
    if (bracket && next() == '>') {
      if (!rules_.allow_null || text_[at_ - 1] == ':') return fail(Trouble::permanent, "empty address");
    } else {
      auto mailbox = this->mailbox();
      if (!mailbox) return fail(std::move(mailbox.error()));
      out.address = std::move(*mailbox);
    }
    if (bracket) skip_blanks();
    if (bracket && next() != '>') return fail(Trouble::permanent, "junk or missing '>' after address");
    if (bracket) ++at_;
    out.size = at_;
    if (out.size > max_path) return fail(Trouble::permanent, "path too long");
    return out;
  }

 private:
  // '\0' at the end; a null byte of the text is refused wherever a character is taken.
  char next() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool at_end() const { return at_ >= text_.size(); }
  void skip_blanks() {
    while (!rules_.strict && next() == ' ') ++at_;
  }
  bool takes(char c) const { return static_cast<unsigned char>(c) < 0x80 || rules_.utf8; }

  // A-d-l ":" of RFC 5321 4.1.2: checked, then dropped (appendix F.2).
  Result<> route() {
    while (next() == '@') {
      ++at_;
      if (auto domain = this->domain(); !domain) return fail(std::move(domain.error()));
      if (next() == ',') ++at_;
    }
    if (next() != ':') return fail(Trouble::permanent, "malformed source route");
    ++at_;
    return {};
  }

  Result<Address> mailbox() {
    Address out;
    const std::size_t start = at_;
    if (auto taken = local_part(out.local); !taken) return fail(std::move(taken.error()));
    if (out.local.empty()) return fail(Trouble::permanent, "empty local part");
    if (out.local.size() > (rules_.strict ? max_local_part : max_lenient_local_part))
      return fail(Trouble::permanent, "local part too long");
    if (!is_plain_utf8(out.local)) return fail(Trouble::permanent, "local part is not UTF-8");
    if (next() == '@') {
      ++at_;
      auto domain = this->domain();
      if (!domain) return fail(std::move(domain.error()));
      out.domain = std::move(*domain);
    } else if (rules_.strict && !iequals(text_.substr(start, at_ - start), "postmaster")) {
      return fail(Trouble::permanent, "address without domain");
    } else if (out.local.find('@') != std::string::npos) {
      // Its unquoted form would read as an address with a domain.
      return fail(Trouble::permanent, "quoted '@' without domain");
    }
    return out;
  }

  Result<> local_part(std::string& out) {
    bool after_word = false;
    while (!at_end()) {
      const char c = next();
      if (c == '"' && !after_word && (out.empty() || !rules_.strict)) {
        if (auto taken = quoted(out); !taken) return taken;
        after_word = true;
        if (rules_.strict) return {};
      } else if (is_atom_character(c) && takes(c) && !after_word) {
        while (is_atom_character(next()) && takes(next())) out += text_[at_++];
        after_word = true;
      } else if (c == '.') {
        const bool misplaced = !after_word || at_ + 1 >= text_.size() || text_[at_ + 1] == '@';
        if (rules_.strict && misplaced) return fail(Trouble::permanent, "misplaced dot in local part");
        out += c;
        ++at_;
        after_word = false;
      } else {
        break;
      }
    }
    return {};
  }

  Result<> quoted(std::string& out) {
    ++at_;
    while (!at_end() && next() != '"') {
      if (next() == '\\') ++at_;
      if (at_end() || is_control(next()) || !takes(next()))
        return fail(Trouble::permanent, "bad character in quoted local part");
      out += text_[at_++];
    }
    if (at_end()) return fail(Trouble::permanent, "unterminated quoted local part");
    ++at_;
    return {};
  }

  Result<std::string> domain() {
    const std::size_t start = at_;
    if (next() == '[') {
      const std::size_t end = text_.find(']', at_);
      if (end == std::string_view::npos) return fail(Trouble::permanent, "unterminated address literal");
      at_ = end + 1;
      const std::string_view literal = text_.substr(start, at_ - start);
      if (!valid_literal(literal, !rules_.strict)) return fail(Trouble::permanent, "bad address literal");
      return std::string(literal);
    }
    while (!at_end() && takes(next()) && (is_atom_character(next()) || next() == '.')) ++at_;
    std::string_view name = text_.substr(start, at_ - start);
    if (!rules_.strict && name.size() > 1 && name.ends_with('.')) name.remove_suffix(1);
    const bool valid =
        rules_.utf8 ? valid_utf8_domain(name, !rules_.strict) : valid_hostname(name, !rules_.strict);
    if (!valid) return fail(Trouble::permanent, "bad domain name");
    return std::string(name);
  }

  std::string_view text_;
  const PathRules& rules_;
  std::size_t at_ = 0;
};

}  // namespace

Result<Path> parse_path(std::string_view text, const PathRules& rules) { return Reader(text, rules).path(); }

Result<Address> parse_address(std::string_view text, const PathRules& rules) {
  if (text.empty() && rules.allow_null) return Address{};
  PathRules whole = rules;
  whole.strict = rules.strict && text.starts_with('<');
  auto path = parse_path(text, whole);
  if (!path) return fail(std::move(path.error()));
  if (path->size != text.size()) return fail(Trouble::permanent, "junk after address");
  return std::move(path->address);
}

}  // namespace postrider::address
