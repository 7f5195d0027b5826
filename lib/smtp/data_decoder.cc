#include <algorithm>
#include <cstring>

#include "lib/smtp/data.h"

namespace postrider::smtp {
namespace {

std::size_t find_byte(std::string_view text, char c) {
  if (text.empty()) return std::string_view::npos;
  const void* at = std::memchr(text.data(), c, text.size());
  return at == nullptr ? std::string_view::npos
                       : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

}  // namespace

void DataDecoder::append(std::string_view text, std::string& out) {
  const std::size_t start = out.size();
  out.append(text);
  line_ += text.size();
  content_ += text.size();
  longest_ = std::max(longest_, line_);
  if (find_byte(text, '\r') == std::string_view::npos && find_byte(text, '\0') == std::string_view::npos)
    return;
  for (std::size_t i = start; i < out.size(); ++i) {
    if (out[i] != '\r' && out[i] != '\0') continue;
    ++(out[i] == '\r' ? bare_cr_ : nulls_);
    out[i] = ' ';
  }
}

void DataDecoder::end_line(bool crlf, std::string& out) {
  out += '\n';
  ++content_;
  ++lines_;
  line_ = 0;
  if (!crlf) ++bare_lf_;
  state_ = crlf ? State::line_start : State::loose_start;
}

// One byte in a state that holds something back. False when `c` was not taken and stands for itself in
// the state now reached.
bool DataDecoder::step(char c, std::string& out) {
  const bool lf = c == '\n';
  switch (state_) {
    case State::dot:
    case State::loose_dot:
      if (c == '\r') {
        state_ = state_ == State::dot ? State::dot_cr : State::loose_dot_cr;
        return true;
      }
      if (lf) {  // a line that is a dot, and no end: the dot is content
        append(".", out);
        end_line(false, out);
        return true;
      }
      break;  // a stuffed dot: dropped
    case State::dot_cr:
      if (lf) {
        state_ = State::done;
        return true;
      }
      append("\r", out);
      break;
    case State::loose_dot_cr:
      if (lf) {
        append(".", out);
        end_line(true, out);
        return true;
      }
      append("\r", out);
      break;
    case State::text_cr:
      if (lf) {
        end_line(true, out);
        return true;
      }
      append("\r", out);
      break;
    case State::line_start:
    case State::loose_start:
    case State::text:
    case State::done: break;
  }
  state_ = State::text;
  return false;
}

// At the beginning of a line or inside one: as much of it as is there.
std::size_t DataDecoder::take_line_part(std::string_view wire, std::string& out) {
  if (dotted_ && state_ != State::text && wire.front() == '.') {
    state_ = state_ == State::line_start ? State::dot : State::loose_dot;
    return 1;
  }
  const std::size_t lf = find_byte(wire, '\n');
  std::string_view part = wire.substr(0, lf);
  const bool cr = part.ends_with('\r');
  if (cr) part.remove_suffix(1);
  if (!part.empty()) append(part, out);
  if (lf == std::string_view::npos) {
    state_ = cr ? State::text_cr : State::text;
    return wire.size();
  }
  end_line(cr, out);
  return lf + 1;
}

std::size_t DataDecoder::feed(std::string_view wire, std::string& out) {
  std::size_t taken = 0;
  while (taken < wire.size() && state_ != State::done) {
    const bool plain = state_ == State::line_start || state_ == State::loose_start || state_ == State::text;
    if (plain)
      taken += take_line_part(wire.substr(taken), out);
    else if (step(wire[taken], out))
      ++taken;
  }
  return taken;
}

void DataDecoder::finish(std::string& out) {
  if (state_ == State::text_cr) append("\r", out);
  if (state_ == State::text_cr || state_ == State::text) end_line(true, out);
  state_ = State::done;
}

}  // namespace postrider::smtp
