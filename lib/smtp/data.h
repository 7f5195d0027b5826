// Message content between the wire (CRLF, dots) and the queue (LF), safe against smuggling.
//
// The queue keeps content with LF line ends, as Postfix does. DataDecoder makes that of DATA and BDAT
// in smtpd; DataEncoder makes DATA of it in smtp, and multi-line replies of it in pop3. Both take chunks cut
// anywhere and hold a few bytes of state. Only CRLF.CRLF ends DATA; a carriage return that is not part of
// CRLF never leaves either of them for SMTP, so no peer can see another end than we do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postrider::smtp {

class DataDecoder {
 public:
  enum class Framing : std::uint8_t {
    dotted,   // DATA: unstuff dots, stop after CRLF.CRLF (RFC 5321 4.5.2)
    counted,  // BDAT: the caller counts bytes and calls finish() after the last chunk (RFC 3030)
  };
  explicit DataDecoder(Framing framing) : dotted_(framing == Framing::dotted) {}

  // Appends decoded content to `out` (never more than wire.size() + 2 bytes) and says how many bytes of
  // `wire` were taken: all of them, or those up to the end of DATA. A bare LF ends a line; a bare CR and a
  // null byte become a blank. Nothing is taken once done().
  std::size_t feed(std::string_view wire, std::string& out);
  // dotted: CRLF.CRLF was seen. counted: finish() was called.
  bool done() const { return state_ == State::done; }
  // counted only: completes a last line that had no line end.
  void finish(std::string& out);

  // What was seen so far, for smtpd_forbid_bare_newline, size limits and logs.
  std::uint64_t bare_lf() const { return bare_lf_; }
  std::uint64_t bare_cr() const { return bare_cr_; }
  std::uint64_t nulls() const { return nulls_; }
  std::uint64_t lines() const { return lines_; }
  // Bytes of content with CRLF line ends and without stuffing: what SIZE and message_size_limit count.
  std::uint64_t size() const { return content_ + lines_; }
  std::uint64_t longest_line() const { return longest_; }  // without line end

 private:
  enum class State : std::uint8_t {
    line_start,   // after CRLF, and at the beginning
    loose_start,  // after a bare LF: a line begins, but a dot here cannot end DATA
    dot,          // '.' after CRLF
    dot_cr,       // ".\r" after CRLF
    loose_dot,
    loose_dot_cr,
    text,     // inside a line
    text_cr,  // inside a line, '\r' held back
    done,
  };

  bool step(char c, std::string& out);
  std::size_t take_line_part(std::string_view wire, std::string& out);
  void append(std::string_view text, std::string& out);
  void end_line(bool crlf, std::string& out);

  bool dotted_;
  State state_ = State::line_start;
  std::uint64_t line_ = 0;  // length of the line so far
  std::uint64_t longest_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t content_ = 0;
  std::uint64_t bare_lf_ = 0;
  std::uint64_t bare_cr_ = 0;
  std::uint64_t nulls_ = 0;
};

class DataEncoder {
 public:
  struct Rules {
    // smtp_line_length_limit: longer lines are folded with CRLF and a blank, not inside a UTF-8 character. 0:
    // never.
    std::size_t line_limit = 998;
    // A bare CR becomes a blank. false (pop3, which owes its client every byte): it stays.
    bool replace_bare_cr = true;
  };
  DataEncoder() = default;
  explicit DataEncoder(const Rules& rules) : rules_(rules) {}

  // Appends `content`, LF-terminated lines cut anywhere, in wire form.
  void feed(std::string_view content, std::string& out);
  // Ends a last line without LF and appends ".\r\n". The encoder is done.
  void finish(std::string& out);

 private:
  void feed_verbatim(std::string_view content, std::string& out);
  void append_text(std::string_view text, std::string& out);
  void append_folded(std::string_view text, std::string& out);
  void end_line(std::string& out);

  Rules rules_;
  bool line_start_ = true;
  bool held_cr_ = false;  // a CR was the last byte: held back, or when every CR stays, sent
  std::size_t line_ = 0;  // bytes of the current wire line, without the stuffed dot
};

// The size of `content` in wire form without stuffing, as POP3 and SIZE count it. LF not preceded by CR
// counts 2.
std::uint64_t wire_size(std::string_view content);

}  // namespace postrider::smtp
