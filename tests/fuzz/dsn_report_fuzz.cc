// Reports made of a peer's words and a stranger's message: fields and parts stay as many as they are.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/dsn/report.h"

using namespace postrider;

namespace {

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view first = text.substr(0, text.size() / 2);
  dsn::Report report;
  report.smtputf8 = (data[0] & 1) != 0;
  report.returned = (data[0] & 2) != 0 ? dsn::Returned::headers : dsn::Returned::full;
  report.from = report.to = report.sender = {"ann", "example.org"};
  report.hostname = "mail.example.org";
  report.mail_name = "Postrider";
  report.queue_id = "4A5B6C";
  report.envid = first;
  report.recipients.resize(2);
  for (dsn::RecipientStatus& r : report.recipients) {
    r.recipient = {"bob", "example.net"};
    r.original = r.orcpt = r.reason = r.remote_mta = first;
    r.remote_reply = text;
  }
  const std::string message = dsn::compose(report, "").message;
  if (count(message, "\nFinal-Recipient: ") != 2 || count(message, "\nAction: ") != 2 ||
      count(message, "\n--4A5B6C.") != 4)
    std::abort();
  if (message.find('\r') != std::string::npos || message.find('\0') != std::string::npos) std::abort();
  const dsn::Composed full = dsn::compose(report, text);
  const std::size_t begin = full.message.find("boundary=\"") + 10;
  const std::string boundary = full.message.substr(begin, full.message.find('"', begin) - begin);
  const bool whole = report.returned == dsn::Returned::full;
  if ((whole && text.find(boundary) != std::string_view::npos) || count(full.message, "\n--" + boundary) != 4)
    std::abort();
  return 0;
}
