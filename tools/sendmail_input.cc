#include "tools/sendmail_input.h"

#include <algorithm>
#include <array>

#include "lib/address/header.h"
#include "lib/base/text.h"
#include "lib/message/header.h"

namespace postrider::tools {

namespace {

constexpr std::size_t longest_held = 8192;  // of a line that may still turn out to be "From " or "."

bool is_from_line(std::string_view text) {
  if (text.starts_with('>')) text.remove_prefix(1);
  return text.starts_with("From ");
}

}  // namespace

// One line without its LF, or the beginning of one that is too long to wait for.
bool SendmailInput::line(std::string_view text, bool complete, std::string& out) {
  const bool begins = !middle_;
  std::string joined;
  if (held_cr_) {
    joined = "\r";
    joined += text;
    text = joined;
    held_cr_ = false;
  }
  middle_ = !complete;
  if (complete && !decided_) {
    decided_ = true;
    strip_ = endings_ == LineEndings::always || (endings_ == LineEndings::strict && text.ends_with('\r'));
  }
  if (strip_ && text.ends_with('\r')) {
    if (complete)
      text.remove_suffix(1);
    else {
      text.remove_suffix(1);
      held_cr_ = true;
    }
  }
  if (begins && complete) {
    if (first_line_ && is_from_line(text)) return false;
    if (!dot_is_data_ && text == ".") return true;
  }
  first_line_ = false;
  out += text;
  if (complete) out += '\n';
  open_ = !complete;
  return false;
}

bool SendmailInput::feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    const std::size_t lf = bytes.find('\n');
    if (lf == std::string_view::npos) {
      partial_ += bytes;
      if (partial_.size() > longest_held) {
        (void)line(partial_, false, out);
        partial_.clear();
      }
      return false;
    }
    bool ended = false;
    if (partial_.empty()) {
      ended = line(bytes.substr(0, lf), true, out);
    } else {
      partial_ += bytes.substr(0, lf);
      ended = line(partial_, true, out);
      partial_.clear();
    }
    if (ended) return true;
    bytes.remove_prefix(lf + 1);
  }
  return false;
}

void SendmailInput::finish(std::string& out) {
  if (!partial_.empty() || held_cr_ || open_) (void)line(partial_, true, out);
  partial_.clear();
}

void add_recipients(std::string_view text, std::uint8_t notify, queue::Envelope& envelope) {
  const auto list = address::parse_address_list(text, queue::max_recipients);
  for (const auto& mailbox : list.mailboxes) {
    if (mailbox.address.empty()) continue;
    queue::Recipient& recipient = envelope.recipients.emplace_back();
    recipient.address = mailbox.address.internal();
    recipient.notify = notify;
  }
}

Result<> extract_recipients(std::string_view header, std::uint8_t notify, queue::Envelope& envelope) {
  constexpr std::array<std::string_view, 3> names{"to", "cc", "bcc"};
  queue::Envelope first, resent;
  bool is_resent = false;
  message::HeaderScanner scanner(header);
  while (const auto field = scanner.next()) {
    std::string_view name = field->name;
    const bool again = istarts_with(name, "resent-");
    if (again) name.remove_prefix(7);
    is_resent = is_resent || again;
    if (std::ranges::any_of(names, [&](std::string_view one) { return iequals(one, name); }))
      add_recipients(field->body, notify, again ? resent : first);
  }
  queue::Envelope& found = is_resent ? resent : first;
  if (envelope.recipients.size() + found.recipients.size() > queue::max_recipients)
    return fail(Trouble::permanent, "too many recipients");
  std::ranges::move(found.recipients, std::back_inserter(envelope.recipients));
  return {};
}

std::string sender_address(std::string_view text) {
  const auto list = address::parse_address_list(text, 1);
  return list.mailboxes.empty() ? std::string() : list.mailboxes.front().address.internal();
}

}  // namespace postrider::tools
