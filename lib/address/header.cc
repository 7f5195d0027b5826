#include "lib/address/header.h"

#include <utility>

#include "lib/address/domain.h"
#include "lib/base/text.h"
#include "lib/base/utf8.h"

namespace postrider::address {
namespace {

constexpr int max_comment_depth = 100;
constexpr std::size_t max_malformed = 16;
constexpr std::size_t max_group_name = 128;

enum class Kind { end, word, literal, special, broken };

struct Token {
  Kind kind = Kind::end;
  char special = '\0';
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string text;  // a word without its quotes; a literal with its brackets
};

// Lexical tokens of RFC 5322 3.2 and 4.1, white space and comments dropped. Looks one token ahead.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { advance(); }

  const Token& peek() const { return token_; }
  bool is(char special) const { return token_.kind == Kind::special && token_.special == special; }
  Token take() {
    Token out = std::move(token_);
    advance();
    return out;
  }

 private:
  void advance() {
    token_ = Token{};
    if (!skip_blanks()) {
      token_ = {Kind::broken, '\0', at_, text_.size(), {}};
      at_ = text_.size();
      return;
    }
    token_.begin = token_.end = at_;
    if (at_ == text_.size()) return;
    const char c = text_[at_];
    if (c == '"') {
      quoted('"', Kind::word);
    } else if (c == '[') {
      quoted(']', Kind::literal);
    } else if (is_atom_character(c)) {
      while (at_ < text_.size() && is_atom_character(text_[at_])) ++at_;
      token_.kind = Kind::word;
      token_.text = text_.substr(token_.begin, at_ - token_.begin);
    } else {
      token_.kind = Kind::special;
      token_.special = c;
      ++at_;
    }
    token_.end = at_;
  }

  // False when a comment nests too deep or does not end; `at_` is then at its beginning.
  bool skip_blanks() {
    int depth = 0;
    std::size_t opened = at_;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (depth > 0 && c == '\\' && at_ + 1 < text_.size()) {
        ++at_;
      } else if (c == '(') {
        if (depth == 0) opened = at_;
        if (++depth > max_comment_depth) break;
      } else if (depth > 0) {
        if (c == ')') --depth;
      } else if (!is_space(c)) {
        break;
      }
    }
    if (depth > 0) at_ = opened;
    return depth == 0;
  }

  void quoted(char close, Kind kind) {
    if (kind == Kind::literal) token_.text += '[';
    ++at_;
    while (at_ < text_.size() && text_[at_] != close) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      const char c = text_[at_++];
      if (c != '\r' && c != '\n') token_.text += c;  // a fold inside quotes
    }
    const bool closed = at_ < text_.size();
    if (closed) ++at_;
    if (kind == Kind::literal) token_.text += ']';
    token_.kind = closed ? kind : Kind::broken;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Token token_;
};

bool acceptable(const Address& a) {
  if (a.local.empty() || a.local.size() > max_lenient_local_part || !is_plain_utf8(a.local)) return false;
  if (!a.has_domain()) return a.local.find('@') == std::string::npos;
  return a.is_literal() ? valid_literal(a.domain) : valid_utf8_domain(a.domain);
}

class ListParser {
 public:
  ListParser(std::string_view text, std::size_t most) : text_(text), most_(most), lexer_(text) {}

  AddressList parse() {
    while (lexer_.peek().kind != Kind::end && !list_.truncated) {
      if (lexer_.is(',') || lexer_.is(';')) {
        const bool ends_group = lexer_.is(';');
        finish_element(lexer_.take().begin);
        if (ends_group) group_.clear();
      } else if (lexer_.is(':') && !element_.words.empty() && group_.empty()) {
        lexer_.take();
        group_ = element_.words.substr(0, max_group_name);  // every member gets a copy
        reset_element();
      } else if (lexer_.is('<')) {
        angle();
      } else if (lexer_.is('@') && element_.has_run) {
        spec();
      } else {
        phrase_part();
      }
    }
    finish_element(text_.size());
    return std::move(list_);
  }

 private:
  // What was read since the last separator.
  struct Element {
    std::string words;  // the display name so far
    std::string run;    // the last words joined by dots: a local part if '@' follows
    std::size_t run_begin = 0;
    std::size_t run_end = 0;
    std::size_t last_end = 0;
    std::size_t runs = 0;
    bool has_run = false;
    bool open_run = false;  // the last token was a dot: the next word continues the run
    bool broken = false;
    bool angle = false;  // an address in brackets was taken
    std::size_t begin = std::string_view::npos;
    std::vector<HeaderMailbox> pending;  // addresses without brackets: a display name if brackets follow
  };

  void reset_element() { element_ = Element{}; }
  void begin_at(std::size_t at) {
    if (element_.begin == std::string_view::npos) element_.begin = at;
  }

  void phrase_part() {
    Token token = lexer_.take();
    begin_at(token.begin);
    if (token.kind == Kind::word) {
      if (!element_.words.empty() && token.begin > element_.last_end) element_.words += ' ';
      element_.words += token.text;
      continue_run(token, token.text);
      element_.open_run = false;
    } else if (token.kind == Kind::special && token.special == '.') {
      element_.words += '.';
      element_.open_run = true;  // a dot joins what stands on both sides
      continue_run(token, ".");
      element_.open_run = true;
    } else {
      element_.broken = true;
      element_.has_run = element_.open_run = false;
    }
    element_.last_end = token.end;
  }

  void continue_run(const Token& token, std::string_view text) {
    const bool joins = element_.has_run && element_.open_run;
    if (!joins) {
      element_.run.clear();
      element_.run_begin = token.begin;
      ++element_.runs;
    }
    element_.has_run = true;
    element_.run += text;
    element_.run_end = token.end;
  }

  // '@' after a run: an addr-spec without brackets.
  void spec() {
    lexer_.take();
    HeaderMailbox box;
    box.address.local = std::exchange(element_.run, {});
    box.begin = element_.run_begin;
    element_.has_run = element_.open_run = false;
    const bool complete = domain(box.address.domain, box.end) && acceptable(box.address);
    element_.words += '@';
    element_.words += box.address.domain;
    element_.last_end = box.end;
    if (complete)
      element_.pending.push_back(std::move(box));
    else
      element_.broken = true;
  }

  // domain of RFC 5322 3.4.1 and obs-domain. False when there is none.
  bool domain(std::string& out, std::size_t& end) {
    if (lexer_.peek().kind == Kind::literal) {
      Token token = lexer_.take();
      out = std::move(token.text);
      end = token.end;
      return true;
    }
    while (lexer_.peek().kind == Kind::word) {
      Token token = lexer_.take();
      out += token.text;
      end = token.end;
      if (!lexer_.is('.')) return true;
      end = lexer_.take().end;
      out += '.';
    }
    if (out.size() > 1 && out.ends_with('.')) out.pop_back();
    return !out.empty();
  }

  void angle() {
    const std::size_t open = lexer_.take().begin;
    begin_at(open);
    while (lexer_.is('<')) lexer_.take();
    HeaderMailbox box;
    const bool taken = route() && angle_spec(box) && lexer_.is('>');
    while (!lexer_.is('>') && !lexer_.is(',') && lexer_.peek().kind != Kind::end) lexer_.take();
    while (lexer_.is('>')) lexer_.take();
    box.name = std::move(element_.words);
    const std::size_t begin = element_.begin;
    reset_element();
    element_.begin = begin;
    element_.angle = taken;
    element_.broken = !taken;
    if (taken) add(std::move(box));
  }

  // "@a,@b:" before the address is read and dropped (RFC 5322 4.4 obs-route).
  bool route() {
    if (!lexer_.is('@')) return true;
    while (lexer_.is('@') || lexer_.is(',')) {
      if (lexer_.take().special == ',') continue;
      std::string name;
      std::size_t end = 0;
      if (!domain(name, end)) return false;
    }
    if (!lexer_.is(':')) return false;
    lexer_.take();
    return true;
  }

  bool angle_spec(HeaderMailbox& box) {
    if (lexer_.is('>')) {  // "<>"
      box.begin = box.end = lexer_.peek().begin;
      return true;
    }
    box.begin = lexer_.peek().begin;
    bool after_word = false;
    while (lexer_.peek().kind == Kind::word || lexer_.is('.')) {
      const bool word = lexer_.peek().kind == Kind::word;
      if (word && after_word) return false;
      const Token token = lexer_.take();
      box.address.local += word ? token.text : ".";
      box.end = token.end;
      after_word = word;
    }
    if (lexer_.is('@')) {
      lexer_.take();
      if (!domain(box.address.domain, box.end)) return false;
    }
    return acceptable(box.address);
  }

  void finish_element(std::size_t end) {
    bool good = element_.angle;
    for (HeaderMailbox& box : element_.pending) {
      good = true;
      add(std::move(box));
    }
    if (!element_.pending.empty() && element_.has_run) element_.broken = true;  // words after an address
    if (!good && !element_.broken && element_.has_run && element_.runs == 1) {
      HeaderMailbox box;
      box.address.local = element_.run;
      box.begin = element_.run_begin;
      box.end = element_.run_end;
      if (acceptable(box.address)) {
        good = true;
        add(std::move(box));
      }
    }
    if ((!good || element_.broken) && element_.begin != std::string_view::npos &&
        list_.malformed.size() < max_malformed)
      list_.malformed.push_back(trim(text_.substr(element_.begin, end - element_.begin)));
    reset_element();
  }

  void add(HeaderMailbox box) {
    if (list_.mailboxes.size() >= most_) {
      list_.truncated = true;
      return;
    }
    box.group = group_;
    list_.mailboxes.push_back(std::move(box));
  }

  std::string_view text_;
  std::size_t most_;
  Lexer lexer_;
  Element element_;
  std::string group_;
  AddressList list_;
};

}  // namespace

AddressList parse_address_list(std::string_view text, std::size_t max_mailboxes) {
  return ListParser(text, max_mailboxes).parse();
}

std::string format_mailbox(std::string_view name, const Address& address) {
  if (trim(name).empty()) return address.empty() ? "<>" : address.text();
  return quote_phrase(name) + " " + address.path();
}

}  // namespace postrider::address
