// Command lines from strangers: what is accepted must write to a command that reads back the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lib/smtp/command.h"
#include "lib/smtp/xtext.h"

using namespace postrider::smtp;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto line = split_command(text);
  if (!line) return 0;
  constexpr EnvelopeRules rules{
      .utf8 = true, .smtputf8 = true, .binary = true, .auth = true, .require_tls = true};
  const auto check_reply = [](const Reply& reply) {
    const std::string wire = reply.wire();
    if (reply.code < 400 || !wire.ends_with("\r\n")) std::abort();
  };
  switch (line->verb) {
    case Verb::mail:
      if (const auto mail = parse_mail(line->arguments, rules)) {
        const std::string again = mail_command(*mail);
        const auto twice = parse_mail(std::string_view(again).substr(5), rules);
        if (!twice || mail_command(*twice) != again) std::abort();
      } else {
        check_reply(mail.error());
      }
      break;
    case Verb::rcpt:
      if (const auto rcpt = parse_rcpt(line->arguments, rules)) {
        const std::string again = rcpt_command(*rcpt);
        const auto twice = parse_rcpt(std::string_view(again).substr(5), rules);
        if (!twice || twice->recipient != rcpt->recipient || twice->orcpt != rcpt->orcpt) std::abort();
      } else {
        check_reply(rcpt.error());
      }
      break;
    case Verb::xclient:
    case Verb::xforward: (void)parse_peer_attributes(line->verb, line->arguments); break;
    case Verb::vrfy:
    case Verb::expn: (void)parse_vrfy(line->verb, line->arguments, rules); break;
    case Verb::bdat: (void)parse_bdat(line->arguments); break;
    case Verb::auth: (void)parse_auth(line->arguments); break;
    case Verb::etrn: (void)parse_etrn(line->arguments); break;
    default: (void)parse_helo(Verb::ehlo, line->arguments); break;
  }
  return 0;
}
