// pcre: Perl's regular expressions, by PCRE2 with a bound on the work one match may take.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <array>

#include <fmt/format.h>
#include <pcre2.h>

#include "lib/table/pattern_table.h"
#include "lib/table/types.h"

namespace postrider::table {

namespace {

// Steps and depth of backtracking, and memory in KiB, that one key may cost.
constexpr std::uint32_t match_limit = 1'000'000;
constexpr std::uint32_t depth_limit = 100'000;
constexpr std::uint32_t heap_limit = 20'000;

std::string message_of(int code) {
  std::array<unsigned char, 256> text{};
  pcre2_get_error_message(code, text.data(), text.size());
  return reinterpret_cast<const char*>(text.data());
}

class PerlPattern final : public Pattern {
 public:
  static Result<std::unique_ptr<Pattern>> compile(const std::string& pattern, std::string_view flags) {
    std::uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL;
    for (const char flag : flags) {
      switch (flag) {
        case 'i': options ^= PCRE2_CASELESS; break;
        case 'm': options ^= PCRE2_MULTILINE; break;
        case 's': options ^= PCRE2_DOTALL; break;
        case 'x': options ^= PCRE2_EXTENDED; break;
        case 'A': options ^= PCRE2_ANCHORED; break;
        case 'E': options ^= PCRE2_DOLLAR_ENDONLY; break;
        case 'U': options ^= PCRE2_UNGREEDY; break;
        case 'X': break;  // PCRE2 is always strict about unknown escapes
        default:
          return fail(Trouble::permanent,
                      fmt::format("unknown regexp option \"{}\": skipping this rule", flag));
      }
    }
    int code = 0;
    std::size_t offset = 0;
    pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                         options, &code, &offset, nullptr);
    if (compiled == nullptr)
      return fail(Trouble::permanent,
                  fmt::format("error in regex at offset {}: {}", offset, message_of(code)));
    return std::unique_ptr<Pattern>(new PerlPattern(compiled));
  }

  ~PerlPattern() override {
    pcre2_match_data_free(data_);
    pcre2_match_context_free(limits_);
    pcre2_code_free(compiled_);
  }
  PerlPattern(const PerlPattern&) = delete;
  PerlPattern& operator=(const PerlPattern&) = delete;

  Result<bool> matches(std::string_view subject, Groups* groups) const override {
    if (data_ == nullptr || limits_ == nullptr) return fail(Trouble::temporary, "out of memory");
    const int status = pcre2_match(compiled_, reinterpret_cast<PCRE2_SPTR>(subject.data()), subject.size(), 0,
                                   0, data_, limits_);
    if (status == PCRE2_ERROR_NOMATCH) return false;
    if (status < 0) return fail(Trouble::temporary, message_of(status));
    if (groups != nullptr) {
      groups->clear();
      const std::size_t* spans = pcre2_get_ovector_pointer(data_);
      // Groups after the last one that took part are not counted in `status`. \K in a lookahead may
      // put an end before its start.
      for (std::size_t i = 0; i < static_cast<std::size_t>(status); ++i)
        groups->push_back(spans[2 * i] == PCRE2_UNSET || spans[2 * i + 1] < spans[2 * i]
                              ? std::string_view()
                              : subject.substr(spans[2 * i], spans[2 * i + 1] - spans[2 * i]));
    }
    return true;
  }

  std::size_t group_count() const override {
    std::uint32_t count = 0;
    pcre2_pattern_info(compiled_, PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
  }

 private:
  explicit PerlPattern(pcre2_code* compiled)
      : compiled_(compiled),
        data_(pcre2_match_data_create_from_pattern(compiled, nullptr)),
        limits_(pcre2_match_context_create(nullptr)) {
    // Without the just-in-time compiler (a process that may not map executable memory) it is slower.
    pcre2_jit_compile(compiled_, PCRE2_JIT_COMPLETE);
    if (limits_ == nullptr) return;
    pcre2_set_match_limit(limits_, match_limit);
    pcre2_set_depth_limit(limits_, depth_limit);
    pcre2_set_heap_limit(limits_, heap_limit);
  }

  pcre2_code* compiled_;
  pcre2_match_data* data_;
  pcre2_match_context* limits_;
};

}  // namespace

Opened open_pcre(const std::string& name, const Context& context) {
  return open_pattern_table("pcre", name, PerlPattern::compile, context);
}

}  // namespace postrider::table
