// regexp: POSIX extended regular expressions, by the C library's engine (leftmost, then longest).
#include <array>

#include <fmt/format.h>
#include <regex.h>

#include "lib/table/pattern_table.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

class PosixPattern final : public Pattern {
 public:
  static Result<std::unique_ptr<Pattern>> compile(const std::string& pattern, std::string_view flags) {
    int options = REG_EXTENDED | REG_ICASE;
    for (const char flag : flags) {
      if (flag == 'i') {
        options ^= REG_ICASE;
      } else if (flag == 'm') {
        options ^= REG_NEWLINE;
      } else if (flag == 'x') {
        options ^= REG_EXTENDED;
      } else {
        return fail(Trouble::permanent,
                    fmt::format("unknown regexp option \"{}\": skipping this rule", flag));
      }
    }
    auto made = std::make_unique<PosixPattern>();
    const int status = regcomp(&made->compiled_, pattern.c_str(), options);
    if (status != 0) {
      std::array<char, 256> text{};
      regerror(status, &made->compiled_, text.data(), text.size());
      return fail(Trouble::permanent, text.data());
    }
    made->ready_ = true;
    return made;
  }

  PosixPattern() = default;
  ~PosixPattern() override {
    if (ready_) regfree(&compiled_);
  }
  PosixPattern(const PosixPattern&) = delete;
  PosixPattern& operator=(const PosixPattern&) = delete;

  Result<bool> matches(std::string_view subject, Groups* groups) const override {
    std::vector<regmatch_t> spans(groups != nullptr ? compiled_.re_nsub + 1 : 1);
    spans[0].rm_so = 0;
    spans[0].rm_eo = static_cast<regoff_t>(subject.size());
    const int status = regexec(&compiled_, subject.data(), spans.size(), spans.data(), REG_STARTEND);
    if (status == REG_NOMATCH) return false;
    if (status != 0) {
      std::array<char, 256> text{};
      regerror(status, &compiled_, text.data(), text.size());
      return fail(Trouble::temporary, text.data());
    }
    if (groups != nullptr) {
      groups->clear();
      for (const regmatch_t& span : spans)
        groups->push_back(span.rm_so < 0 ? std::string_view()
                                         : subject.substr(static_cast<std::size_t>(span.rm_so),
                                                          static_cast<std::size_t>(span.rm_eo - span.rm_so)));
    }
    return true;
  }

  std::size_t group_count() const override { return compiled_.re_nsub; }

 private:
  regex_t compiled_{};
  bool ready_ = false;
};

}  // namespace

Opened open_regexp(const std::string& name, const Context& context) {
  return open_pattern_table("regexp", name, PosixPattern::compile, context);
}

}  // namespace postrider::table
