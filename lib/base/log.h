// The operator's log, handed in wherever something is worth a line.
//
// Lines are written exactly as Postfix words them where Postfix has them. A writer adds time, host,
// program and pid. Control characters in a line are shown as '?', so a peer cannot forge a second
// line or move the reader's cursor. Not for use inside signal handlers.
#pragma once

#include <string>
#include <string_view>

#include <fmt/core.h>

namespace postrider {

enum class Level { debug, info, warning, error, fatal, panic };

class Log {
 public:
  virtual ~Log() = default;

  template <class... A>
  void debug(fmt::format_string<A...> f, A&&... a) {
    if (verbose_) write(Level::debug, fmt::format(f, std::forward<A>(a)...));
  }
  template <class... A>
  void info(fmt::format_string<A...> f, A&&... a) {
    write(Level::info, fmt::format(f, std::forward<A>(a)...));
  }
  // Shown as "warning: …".
  template <class... A>
  void warning(fmt::format_string<A...> f, A&&... a) {
    write(Level::warning, fmt::format(f, std::forward<A>(a)...));
  }
  // Shown as "error: …": an operation failed that should not, the process goes on.
  template <class... A>
  void error(fmt::format_string<A...> f, A&&... a) {
    write(Level::error, fmt::format(f, std::forward<A>(a)...));
  }
  // Shown as "fatal: …". Only logs; the caller ends the process.
  template <class... A>
  void fatal(fmt::format_string<A...> f, A&&... a) {
    write(Level::fatal, fmt::format(f, std::forward<A>(a)...));
  }

  // Debug lines are formatted and written only when set.
  void set_verbose(bool verbose) { verbose_ = verbose; }
  bool verbose() const { return verbose_; }

  // One line, without newline and without the severity word. May be called from any thread.
  virtual void write(Level level, std::string_view text) = 0;

 private:
  bool verbose_ = false;
};

// "", "warning: ", "error: ", "fatal: ", "panic: " as Postfix prefixes its lines.
std::string_view severity_prefix(Level level);

// Text made safe for one log line: bytes below 0x20 and 0x7f become '?'.
std::string printable(std::string_view text);

// For tests: keeps the lines, each with its severity prefix.
class MemoryLog final : public Log {
 public:
  void write(Level level, std::string_view text) override;
  const std::string& text() const { return text_; }  // all lines, each ended by '\n'
  bool contains(std::string_view part) const { return text_.find(part) != std::string::npos; }

 private:
  std::string text_;
};

}  // namespace postrider
