#include <catch2/catch.hpp>

#include "tools/sendmail_input.h"
#include "tools/sendmail_options.h"

using namespace postrider;
using namespace postrider::tools;
using Mode = SendmailRequest::Mode;

namespace {

SendmailRequest parsed(const std::vector<std::string>& arguments, const std::string& program = "sendmail") {
  auto request = parse_sendmail(program, arguments);
  INFO((request ? "" : request.error().text()));
  REQUIRE(request);
  return *request;
}

std::string read_as(const std::string& input, LineEndings endings = LineEndings::always,
                    bool dot_is_data = false, std::size_t step = 0) {
  SendmailInput reader(endings, dot_is_data);
  std::string out;
  if (step == 0) step = input.size() + 1;
  for (std::size_t at = 0; at < input.size(); at += step)
    if (reader.feed(std::string_view(input).substr(at, step), out)) return out;
  reader.finish(out);
  return out;
}

std::vector<std::string> addresses(const queue::Envelope& envelope) {
  std::vector<std::string> all;
  for (const auto& recipient : envelope.recipients) all.push_back(recipient.address);
  return all;
}

}  // namespace

TEST_CASE("sendmail's name and options choose what it does") {
  CHECK(parsed({"a@b"}).mode == Mode::enqueue);
  CHECK(parsed({}, "mailq").mode == Mode::mailq);
  CHECK(parsed({}, "newaliases").mode == Mode::newaliases);
  CHECK(parsed({"-bp"}, "newaliases").mode == Mode::mailq);
  CHECK(parsed({"-bd"}).mode == Mode::daemon);
  CHECK(parsed({"-bl"}).mode == Mode::daemon);
  CHECK(parsed({"-bi"}).mode == Mode::newaliases);
  CHECK(parsed({"-I"}).mode == Mode::newaliases);
  CHECK(parsed({"-bs"}).mode == Mode::stdin_smtp);
  CHECK(parsed({"-q"}).mode == Mode::flush);
  CHECK(parsed({"-qIABC"}).target == "ABC");
  CHECK(parsed({"-qRexample.org"}).mode == Mode::flush_site);
  CHECK(parsed({"-q30m", "-bd"}).mode == Mode::daemon);
  CHECK(parsed({"-oA/etc/x", "-bi"}).target == "/etc/x");
}

TEST_CASE("options of a submission are read as Postfix reads them") {
  const auto r = parsed({"-i", "-F", "Ann", "-fann@x", "-Nfailure,delay", "-R", "hdrs", "-V", "envelope7",
                         "-B8BITMIME", "-O", "requiretls=yes", "-G", "--", "-dash@x", "b@y"});
  CHECK(r.dot_is_data);
  CHECK(r.full_name == "Ann");
  CHECK(r.has_sender);
  CHECK(r.sender == "ann@x");
  CHECK(r.notify == (queue::notify::failure | queue::notify::delay));
  CHECK(r.envelope.dsn_return == queue::DsnReturn::headers);
  CHECK(r.envelope.envid == "envelope7");
  CHECK(r.envelope.encoding == queue::BodyEncoding::eight_bit_mime);
  CHECK(r.envelope.has(queue::flag::requiretls));
  CHECK(r.envelope.rewrite_context == "remote");
  CHECK(r.recipients == std::vector<std::string>{"-dash@x", "b@y"});
  CHECK(parsed({"-bv", "a@b"}).envelope.has(queue::flag::verify));
  CHECK(parsed({"-v", "-v", "a@b"}).verbose == 2);
  CHECK(parsed({"-f", "", "a@b"}).has_sender);
  CHECK(parsed({"-XV-=", "-f", "x@y", "a"}).envelope.verp_delimiters == "-=");
  CHECK(parsed({"-XV", "-f", "x@y", "a"}).default_verp);
  const auto old = parsed({"-V+=", "-fx@y", "a"});
  CHECK(old.envelope.verp_delimiters == "+=");
  CHECK(old.warnings.size() == 1);
}

TEST_CASE("options without a meaning here are taken silently") {
  const auto r = parsed({"-Am", "-bh", "-bH", "-c", "-em", "-h5", "-Lx", "-m", "-Oqueue=x", "-o7", "-o8",
                         "-om", "-oex", "-px", "-U", "-x", "-oi", "-ti", "a@b"});
  CHECK(r.mode == Mode::enqueue);
  CHECK(r.dot_is_data);
  CHECK(r.extract);
}

TEST_CASE("what Postfix refuses is refused") {
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"-n"},
                                             {"-Xlog"},
                                             {"-bz"},
                                             {"-b"},
                                             {"-qSx"},
                                             {"-qx"},
                                             {"-qR"},
                                             {"-Z"},
                                             {"-f"},
                                             {"-Nsometimes"},
                                             {"-Nnever,delay"},
                                             {"-Rsome"},
                                             {"-B9BIT"},
                                             {"-q", "a@b"},
                                             {"-bd", "a@b"},
                                             {"-t", "-bp"},
                                             {"-XV-=", "a"},
                                             {"-oA"},
                                             {"-V" + std::string(101, 'x')},
                                             {"-Orequiretls=perhaps"},
                                             {"-:"}}) {
    INFO(bad.front());
    CHECK_FALSE(parse_sendmail("sendmail", bad));
  }
}

TEST_CASE("input ends at a lone dot unless -i was given") {
  CHECK(read_as("a\n.\nb\n") == "a\n");
  CHECK(read_as("a\n.\nb\n", LineEndings::always, true) == "a\n.\nb\n");
  CHECK(read_as("a\r\n.\r\nb\r\n") == "a\n");
  CHECK(read_as("a\n..\n.x\n") == "a\n..\n.x\n");
}

TEST_CASE("input in any pieces gives the same content") {
  const std::string input = "From ann Mon Jan  1\n>From bob\nSubject: x\r\n\r\nline\rwith CR\nFrom here\r\n" +
                            std::string(20000, 'y') + "\r\nlast without end\r";
  const std::string whole = read_as(input);
  CHECK(whole ==
        "Subject: x\n\nline\rwith CR\nFrom here\n" + std::string(20000, 'y') + "\nlast without end\n");
  for (std::size_t step = 1; step < 40; ++step)
    CHECK(read_as(input, LineEndings::always, false, step) == whole);
  for (const std::size_t step : {4096U, 8191U, 8192U, 8193U, 16384U})
    CHECK(read_as(input, LineEndings::always, false, step) == whole);
}

TEST_CASE("line endings are mended as configured") {
  CHECK(read_as("a\nb\r\n", LineEndings::strict) == "a\nb\r\n");
  CHECK(read_as("a\r\nb\r\n", LineEndings::strict) == "a\nb\n");
  CHECK(read_as("a\r\nb\r\n", LineEndings::never) == "a\r\nb\r\n");
  CHECK(read_as("").empty());
  CHECK(read_as("x") == "x\n");
}

TEST_CASE("-t takes To, Cc and Bcc, and only Resent- forms when there are any") {
  queue::Envelope e;
  REQUIRE(extract_recipients(
      "To: a@x, B <b@x>,\n c@x\nCc: g: d@x, e@x;\nBCC: f@x\nFrom: n@x\nReply-To: o@x\n", 4, e));
  CHECK(addresses(e) == std::vector<std::string>{"a@x", "b@x", "c@x", "d@x", "e@x", "f@x"});
  CHECK(e.recipients[3].notify == 4);
  queue::Envelope resent;
  REQUIRE(extract_recipients("To: a@x\nResent-From: q@x\nResent-To: z@x\nBcc: b@x\n", 0, resent));
  CHECK(addresses(resent) == std::vector<std::string>{"z@x"});
}

TEST_CASE("operands may be lists, and senders have many forms") {
  queue::Envelope e;
  add_recipients("a@x, Bob <b@x>", 0, e);
  add_recipients("\"odd one\"@x", 0, e);
  CHECK(addresses(e) == std::vector<std::string>{"a@x", "b@x", "odd one@x"});
  CHECK(sender_address("<>").empty());
  CHECK(sender_address("").empty());
  CHECK(sender_address("Ann <ann@x>") == "ann@x");
  CHECK(sender_address("ann") == "ann");
}
