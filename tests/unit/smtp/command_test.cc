#include "lib/smtp/command.h"

#include <string>

#include <catch2/catch.hpp>

#include "lib/smtp/xtext.h"

using namespace postrider::smtp;
using namespace std::literals;

namespace {

constexpr EnvelopeRules all{
    .utf8 = true, .smtputf8 = true, .binary = true, .auth = true, .require_tls = true};

std::string mail(std::string_view arguments, const EnvelopeRules& rules = all) {
  const auto parsed = parse_mail(arguments, rules);
  return parsed ? mail_command(*parsed) : parsed.error().text();
}
std::string rcpt(std::string_view arguments, const EnvelopeRules& rules = all) {
  const auto parsed = parse_rcpt(arguments, rules);
  return parsed ? rcpt_command(*parsed) : parsed.error().text();
}

}  // namespace

TEST_CASE("command lines split into verb and arguments") {
  const auto line = split_command("mAiL \t FROM:<a@b.org>  SIZE=1  ");
  CHECK(line->verb == Verb::mail);
  CHECK(line->name == "mAiL");
  CHECK(line->arguments == "FROM:<a@b.org>  SIZE=1");
  CHECK(split_command("GET / HTTP/1.1")->verb == Verb::unknown);
  CHECK(split_command("")->verb == Verb::unknown);
  CHECK(split_command("MAILFROM:<>")->verb == Verb::unknown);
  CHECK(verb_name(Verb::xforward) == "XFORWARD");
  CHECK(verb_name(Verb::unknown) == "UNKNOWN");
}

TEST_CASE("control characters and broken UTF-8 in a command line are refused") {
  for (const std::string_view bad :
       {"MAIL\0 FROM:<>"sv, "MAIL FROM:<a\r@b>"sv, "NOOP\n"sv, "EHLO a\x1b[2J"sv, "NOOP \x7f"sv})
    CHECK(split_command(bad).error().text() == "500 5.5.2 Error: bad syntax");
  CHECK(split_command("VRFY \xc3").error().text() == "500 5.5.2 Error: bad UTF-8 syntax");
}

TEST_CASE("host names of HELO are made harmless") {
  CHECK(parse_helo(Verb::ehlo, "mail.example.org").value() == "mail.example.org");
  CHECK(parse_helo(Verb::ehlo, "[192.0.2.1]").value() == "[192.0.2.1]");
  CHECK(parse_helo(Verb::ehlo, "a b(c)<d>@\";\\").value() == "a?b?c??d?????");
  CHECK(parse_helo(Verb::ehlo, "").error().text() == "501 Syntax: EHLO hostname");
  CHECK(parse_helo(Verb::helo, std::string(4096, 'x')).error().text() == "501 Syntax: HELO hostname");
}

TEST_CASE("MAIL is read with every parameter") {
  CHECK(mail("FROM:<>") == "MAIL FROM:<>");
  CHECK(mail("from:<a@b.org> size=12 body=8bitmime smtputf8 ret=hdrs envid=q+2B1 auth=<> requiretls") ==
        "MAIL FROM:<a@b.org> SIZE=12 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS ENVID=q+2B1 AUTH=<>");
  CHECK(mail("FROM:<@x.org,@y.org:a@b.org>") == "MAIL FROM:<a@b.org>");
  CHECK(mail("FROM:<\"a b\"@b.org>") == "MAIL FROM:<\"a b\"@b.org>");
}

TEST_CASE("MAIL tells what it does not like") {
  struct Case {
    const char* arguments;
    const char* reply;
  };
  for (const Case& c : {
           Case{"", "501 5.5.4 Syntax: MAIL FROM:<address>"},
           {"FROM:", "501 5.5.4 Syntax: MAIL FROM:<address>"},
           {"TO:<a@b.org>", "501 5.5.4 Syntax: MAIL FROM:<address>"},
           {"FROM <a@b.org>", "501 5.5.4 Syntax: MAIL FROM:<address>"},
           {"FROM:<a@b.org", "501 5.1.7 Bad sender address syntax"},
           {"FROM:<a@b.org>SIZE=1", "501 5.1.7 Bad sender address syntax"},
           {"FROM:<a@b.org>>", "501 5.1.7 Bad sender address syntax"},
           {"FROM:<a@b.org> SIZE=x", "501 5.5.4 Bad message size syntax"},
           {"FROM:<a@b.org> SIZE=", "501 5.5.4 Bad message size syntax"},
           {"FROM:<a@b.org> SIZE=-1", "501 5.5.4 Bad message size syntax"},
           {"FROM:<a@b.org> SIZE=9223372036854775808",
            "552 5.3.4 Message size exceeds file system imposed limit"},
           {"FROM:<a@b.org> SIZE=99999999999999999999999",
            "552 5.3.4 Message size exceeds file system imposed limit"},
           {"FROM:<a@b.org> SIZE=1 SIZE=2", "501 5.5.4 Error: duplicate SIZE parameter"},
           {"FROM:<a@b.org> BODY=9BIT", "555 5.5.4 Unsupported option: BODY=9BIT"},
           {"FROM:<a@b.org> SIZE", "555 5.5.4 Unsupported option: SIZE"},
           {"FROM:<a@b.org> FOO=bar", "555 5.5.4 Unsupported option: FOO=bar"},
           {"FROM:<a@b.org> RET=NONE", "501 5.5.4 Bad RET parameter syntax"},
           {"FROM:<a@b.org> RET=FULL RET=HDRS", "501 5.5.4 Bad RET parameter syntax"},
           {"FROM:<a@b.org> ENVID=", "501 5.5.4 Bad ENVID parameter syntax"},
           {"FROM:<a@b.org> ENVID=+0D+0A", "501 5.5.4 Bad ENVID parameter syntax"},
           {"FROM:<a@b.org> ENVID=+0", "501 5.5.4 Bad ENVID parameter syntax"},
           {"FROM:<a@b.org> ENVID=a+2", "501 5.5.4 Bad ENVID parameter syntax"},
           {"FROM:<a@b.org> AUTH=+0Ax", "501 5.5.4 Malformed AUTH= parameter"},
       }) {
    INFO(c.arguments);
    CHECK(mail(c.arguments) == c.reply);
  }
  CHECK(mail("FROM:<a@b.org> ENVID=" + std::string(101, 'x')) == "501 5.5.4 Bad ENVID parameter syntax");
}

TEST_CASE("parameters that were not offered are refused") {
  const EnvelopeRules none{.size = false, .eight_bit = false, .dsn = false};
  for (const char* parameter :
       {"SIZE=1", "BODY=7BIT", "SMTPUTF8", "RET=FULL", "ENVID=x", "AUTH=<>", "REQUIRETLS"})
    CHECK(mail(std::string("FROM:<a@b.org> ") + parameter, none) ==
          std::string("555 5.5.4 Unsupported option: ") + parameter);
  for (const char* parameter : {"NOTIFY=NEVER", "ORCPT=rfc822;x"})
    CHECK(rcpt(std::string("TO:<a@b.org> ") + parameter, none) ==
          std::string("555 5.5.4 Unsupported option: ") + parameter);
  CHECK(mail("FROM:<a@b.org> BODY=BINARYMIME", {}) == "555 5.5.4 Unsupported option: BODY=BINARYMIME");
}

TEST_CASE("strict envelopes refuse what lenient ones forgive") {
  const EnvelopeRules strict{.strict = true};
  for (const char* arguments : {"FROM: <a@b.org>", "FROM:a@b.org", "FROM: a@b.org", "FROM:< a@b.org >"}) {
    CHECK(mail(arguments) == "MAIL FROM:<a@b.org>");
    CHECK(mail(arguments, strict).starts_with("501 "));
  }
}

TEST_CASE("RCPT is read with every parameter") {
  CHECK(rcpt("TO:<a@b.org>") == "RCPT TO:<a@b.org>");
  CHECK(rcpt("to:<a@b.org> notify=failure,success orcpt=rfc822;x+2By@z.org") ==
        "RCPT TO:<a@b.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x+2By@z.org");
  CHECK(rcpt("TO:<a@b.org> NOTIFY=NEVER") == "RCPT TO:<a@b.org> NOTIFY=NEVER");
  CHECK(rcpt("TO:<Postmaster>") == "RCPT TO:<Postmaster>");
}

TEST_CASE("RCPT tells what it does not like") {
  CHECK(rcpt("FROM:<a@b.org>") == "501 5.5.4 Syntax: RCPT TO:<address>");
  for (const char* bad : {"TO:<>", "TO:<\"\">", "TO:<\"\"@b.org>", "TO:<@b.org>", "TO:<a@b.org\x01>"})
    CHECK(rcpt(bad) == "501 5.1.3 Bad recipient address syntax");
  for (const char* bad : {"NOTIFY=", "NOTIFY=NEVER,SUCCESS", "NOTIFY=SOMETIMES", "NOTIFY=SUCCESS,",
                          "NOTIFY=NEVER NOTIFY=NEVER"})
    CHECK(rcpt(std::string("TO:<a@b.org> ") + bad) == "501 5.5.4 Error: Bad NOTIFY parameter syntax");
  for (const char* bad :
       {"ORCPT=", "ORCPT=x@y.org", "ORCPT=;x", "ORCPT=rfc822;", "ORCPT=rfc822;a+0D+0Ab", "ORCPT=rf c822;x",
        "ORCPT=rfc822;+FF", "ORCPT=a(b;c", "ORCPT=rfc822;x ORCPT=rfc822;x"})
    CHECK(rcpt(std::string("TO:<a@b.org> ") + bad).starts_with("501 5.5.4 Error: Bad ORCPT"));
  CHECK(rcpt("TO:<a@b.org> ORCPT=rfc822;" + std::string(600, 'x')).starts_with("501 5.5.4 Error: Bad ORCPT"));
}

TEST_CASE("original recipients may be international") {
  const std::string jorg =
      "utf-8;j\xc3\xb6rg@b\xc3\xbc"
      "cher.example";
  CHECK(decode_orcpt("utf-8;j\\x{F6}rg@b\\x{FC}cher.example") == jorg);
  CHECK(decode_orcpt(jorg) == jorg);
  CHECK_FALSE(decode_orcpt("utf-8;\\x{D800}").has_value());
  CHECK_FALSE(decode_orcpt("utf-8;\\x{202E}").has_value());
  CHECK_FALSE(decode_orcpt("utf-8;\\x{").has_value());
  CHECK_FALSE(decode_orcpt("utf-8;\\x{0A}").has_value());
  CHECK(rcpt("TO:<a@b.org> ORCPT=utf-8;j\\x{F6}rg") == "RCPT TO:<a@b.org> ORCPT=utf-8;j\\x{F6}rg");
}

TEST_CASE("BDAT sizes are numbers that fit") {
  CHECK(parse_bdat("0")->size == 0);
  CHECK(parse_bdat("12 last")->last);
  CHECK_FALSE(parse_bdat("12")->last);
  CHECK(parse_bdat("2147483648")->size == 2'147'483'648);
  CHECK(parse_bdat("9223372036854775807")->size == INT64_MAX);
  for (const char* bad : {"", "-1", "+1", "9223372036854775808", "18446744073709551616", "1 LAST LAST", "1 2",
                          "LAST", "0x10", "1.5"})
    CHECK(parse_bdat(bad).error().text() == "501 5.5.4 Syntax: BDAT count [LAST]");
}

TEST_CASE("AUTH names a mechanism and may bring a first response") {
  CHECK(parse_auth("plain")->mechanism == "PLAIN");
  CHECK_FALSE(parse_auth("PLAIN")->initial.has_value());
  CHECK(parse_auth("PLAIN AGEAYg==")->initial == "AGEAYg==");
  CHECK(parse_auth("PLAIN =")->initial == "");
  for (const char* bad : {"", "PLAIN a b", "A;B", "ABCDEFGHIJKLMNOPQRSTU"})
    CHECK(parse_auth(bad).error().text() == "501 5.5.4 Syntax: AUTH mechanism");
}

TEST_CASE("VRFY, ETRN and bare commands check their arguments") {
  CHECK(parse_vrfy(Verb::vrfy, "root", all)->who.internal() == "root");
  CHECK(parse_vrfy(Verb::vrfy, "<a@b.org> SMTPUTF8", all)->smtputf8);
  CHECK(parse_vrfy(Verb::vrfy, "", all).error().text() == "501 5.5.4 Syntax: VRFY address [SMTPUTF8]");
  CHECK(parse_vrfy(Verb::vrfy, "a b", {}).error().text() == "501 5.5.4 Syntax: VRFY address");
  CHECK(parse_vrfy(Verb::vrfy, "<", all).error().text() == "501 5.1.3 Bad recipient address syntax");
  CHECK(parse_etrn("example.org").value() == "example.org");
  CHECK(parse_etrn("@example.org").value() == "example.org");
  CHECK(parse_etrn("").error().text() == "500 Syntax: ETRN domain");
  CHECK(parse_etrn("a';drop").error().text() == "501 Error: invalid parameter syntax");
  CHECK(parse_bare(Verb::data, "x").error().text() == "501 5.5.4 Syntax: DATA");
  CHECK(parse_bare(Verb::rset, "").has_value());
}

TEST_CASE("XCLIENT and XFORWARD attributes are decoded and checked") {
  const auto parsed = parse_peer_attributes(Verb::xclient,
                                            "name=spike.example ADDR=IPV6:2001:db8::1 PORT=25 PROTO=esmtp "
                                            "HELO=a+20b LOGIN=[UNAVAILABLE] REVERSE_NAME=[tempunavail]");
  REQUIRE(parsed.has_value());
  CHECK(parsed->at(0).name == "NAME");
  CHECK(parsed->at(1).value == "2001:db8::1");
  CHECK(parsed->at(3).value == "ESMTP");
  CHECK(parsed->at(4).value == "a b");
  CHECK(parsed->at(5).known == PeerAttribute::Known::unavailable);
  CHECK(parsed->at(6).known == PeerAttribute::Known::temporarily_not);
  const auto text = [](Verb verb, std::string_view arguments) {
    return parse_peer_attributes(verb, arguments).error().text();
  };
  CHECK(text(Verb::xclient, "") == "501 5.5.4 Syntax: XCLIENT attribute=value...");
  CHECK(text(Verb::xclient, "ADDR") == "501 5.5.4 Error: attribute=value expected");
  CHECK(text(Verb::xclient, "IDENT=x") == "501 5.5.4 Bad XCLIENT attribute name: IDENT");
  CHECK(text(Verb::xforward, "LOGIN=x") == "501 5.5.4 Bad XFORWARD attribute name: LOGIN");
  CHECK(text(Verb::xclient, "ADDR=1.2.3") == "501 5.5.4 Bad ADDR syntax: 1.2.3");
  CHECK(text(Verb::xclient, "HELO=a+0D+0Ab") == "501 5.5.4 Bad HELO syntax: a+0D+0Ab");
  CHECK(text(Verb::xclient, "HELO=a+0") == "501 5.5.4 Bad attribute value syntax: a+0");
  CHECK(text(Verb::xclient, "PORT=65536") == "501 5.5.4 Bad PORT syntax: 65536");
  std::string many;
  for (int i = 0; i < 100; ++i) many += "PORT=1 ";
  CHECK(text(Verb::xclient, many) == "501 5.5.4 Syntax: XCLIENT attribute=value...");
}

TEST_CASE("xtext round trips every byte") {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  CHECK(xtext_decode(xtext_encode(bytes)) == bytes);
  CHECK(xtext_encode("a+b=c d") == "a+2Bb+3Dc+20d");
  for (const std::string_view bad : {"+"sv, "+2"sv, "+2G"sv, "a b"sv, "\xff"sv, "a\0b"sv})
    CHECK_FALSE(xtext_decode(bad).has_value());
}
