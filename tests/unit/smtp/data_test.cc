#include "lib/smtp/data.h"

#include <string>

#include <catch2/catch.hpp>

using namespace postrider::smtp;
using namespace std::literals;

namespace {

struct Decoded {
  std::string content;
  std::size_t taken = 0;
  bool done = false;
};

// Feeds `wire` in chunks of `chunk` bytes.
Decoded decode(std::string_view wire, std::size_t chunk, DataDecoder& decoder) {
  Decoded out;
  while (out.taken < wire.size() && !decoder.done()) {
    const std::string_view piece = wire.substr(out.taken, chunk);
    const std::size_t taken = decoder.feed(piece, out.content);
    out.taken += taken;
    if (taken < piece.size()) break;
  }
  out.done = decoder.done();
  return out;
}

Decoded decode(std::string_view wire, std::size_t chunk = 100'000) {
  DataDecoder decoder(DataDecoder::Framing::dotted);
  return decode(wire, chunk, decoder);
}

std::string encode(std::string_view content, std::size_t chunk = 100'000, DataEncoder::Rules rules = {}) {
  DataEncoder encoder(rules);
  std::string out;
  for (std::size_t at = 0; at < content.size(); at += chunk) encoder.feed(content.substr(at, chunk), out);
  encoder.finish(out);
  return out;
}

// Every CR is followed by LF and every LF preceded by CR.
bool only_crlf(std::string_view wire) {
  for (std::size_t i = 0; i < wire.size(); ++i) {
    if (wire[i] == '\r' && (i + 1 == wire.size() || wire[i + 1] != '\n')) return false;
    if (wire[i] == '\n' && (i == 0 || wire[i - 1] != '\r')) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("DATA is decoded to LF lines without stuffing") {
  struct Case {
    std::string_view wire;
    std::string_view content;
  };
  for (const Case& c : {
           Case{".\r\n", ""},
           {"\r\n.\r\n", "\n"},
           {"a\r\nb\r\n.\r\n", "a\nb\n"},
           {"..\r\n.\r\n", ".\n"},
           {"...\r\n.\r\n", "..\n"},
           {".a\r\n.\r\n", "a\n"},
           {"a.\r\n.\r\n", "a.\n"},
           {"a\nb\r\n.\r\n", "a\nb\n"},
           {"a\n..b\r\n.\r\n", "a\n.b\n"},
           {"a\rb\r\n.\r\n", "a b\n"},
           {"a\r\r\n.\r\n", "a \n"},
           {"a\0b\r\n.\r\n"sv, "a b\n"},
           {"\x80\xff\r\n.\r\n", "\x80\xff\n"},
       }) {
    for (const std::size_t chunk : {1U, 2U, 3U, 1000U}) {
      const Decoded got = decode(c.wire, chunk);
      CHECK(got.done);
      CHECK(got.taken == c.wire.size());
      CHECK(got.content == c.content);
    }
  }
}

TEST_CASE("only CRLF dot CRLF ends a message, inwards and outwards") {
  for (const std::string_view variant :
       {"\n.\n"sv, "\n.\r"sv, "\r.\n"sv, "\r.\r"sv, "\n.\r\n"sv, "\r.\r\n"sv, "\r\n\0.\r\n"sv,
        "\r\n.\r\r\n"sv, "\r\r\n.\r\r\n"sv, "\r\n.\n"sv, "\r\n.\r"sv, "\r\n.\0\r\n"sv, "\r\n.\r\0\n"sv,
        "\r\n. \r\n"sv, "\r\n..\r\n"sv, "\n\n.\r\n"sv, "\n.\n\r\n"sv, "\r\n\r.\r\n"sv}) {
    const std::string smuggled = "MAIL FROM:<evil@example.net>\r\nRCPT TO:<you@example.org>\r\nDATA\r\nboo";
    const std::string wire = "Subject: x\r\n\r\nline" + std::string(variant) + smuggled + "\r\n.\r\n";
    INFO("variant of " << variant.size() << " bytes: " << Catch::Detail::stringify(std::string(variant)));
    for (const std::size_t chunk : {1U, 2U, 3U, 5U, 100'000U}) {
      const Decoded in = decode(wire + "QUIT\r\n", chunk);
      CHECK(in.done);
      CHECK(in.taken == wire.size());
      CHECK(in.content.find("boo\n") != std::string::npos);
      CHECK(in.content.find('\r') == std::string::npos);
      CHECK(in.content.find('\0') == std::string::npos);
      const std::string outwards = encode(in.content, chunk);
      CHECK(only_crlf(outwards));
      CHECK(outwards.find("\r\n.\r\n") == outwards.size() - 5);
      const Decoded again = decode(outwards, chunk);
      CHECK(again.content == in.content);
      CHECK(again.taken == outwards.size());
    }
  }
}

TEST_CASE("hostile queue content cannot smuggle outwards either") {
  for (const std::string_view content :
       {"a\n.\nb\n"sv, "a\r.\rb\n"sv, "a\n.\rb\n"sv, "a\r\n.\r\nb\n"sv, "a\r\r\n.\r\r\nb\n"sv, "\r"sv, "."sv,
        ".\r"sv, "a\n\r.\nb"sv, "a\n.\r\nb"sv, ""sv, "\r\n"sv, "a\r"sv}) {
    for (const std::size_t chunk : {1U, 2U, 100U}) {
      const std::string wire = encode(content, chunk);
      CHECK(only_crlf(wire));
      CHECK(decode(wire).taken == wire.size());
      CHECK(wire == encode(content));
    }
  }
  CHECK(encode("a\r\n.\r\nb\n") == "a\r\n..\r\nb\r\n.\r\n");
}

TEST_CASE("what follows the end of data is left for the next command") {
  DataDecoder decoder(DataDecoder::Framing::dotted);
  std::string out;
  CHECK(decoder.feed("x\r\n.\r\nQUIT\r\n", out) == 6);
  CHECK(decoder.done());
  CHECK(decoder.feed("QUIT\r\n", out) == 0);
  CHECK(out == "x\n");
}

TEST_CASE("decoder counts what policies need") {
  DataDecoder decoder(DataDecoder::Framing::dotted);
  decode("one\ntwo\r\nth\rree\r\n....\r\n\0\r\n.\r\n"sv, 1, decoder);
  CHECK(decoder.bare_lf() == 1);
  CHECK(decoder.bare_cr() == 1);
  CHECK(decoder.nulls() == 1);
  CHECK(decoder.lines() == 5);
  CHECK(decoder.longest_line() == 6);
  CHECK(decoder.size() == 5U + 5 + 8 + 5 + 3);
}

TEST_CASE("a line without end costs no memory of its own") {
  DataDecoder decoder(DataDecoder::Framing::dotted);
  const std::string chunk(64 * 1024, 'x');
  std::string out;
  for (int i = 0; i < 200; ++i) {
    out.clear();
    CHECK(decoder.feed(chunk, out) == chunk.size());
    CHECK(out.size() == chunk.size());
  }
  CHECK(decoder.longest_line() == 200 * chunk.size());
  CHECK_FALSE(decoder.done());
}

TEST_CASE("BDAT content is normalised without dots meaning anything") {
  for (const std::size_t chunk : {1U, 2U, 3U, 100U}) {
    DataDecoder decoder(DataDecoder::Framing::counted);
    Decoded got = decode(".\r\n..\r\na\nb\rc\r\n.\r\nend", chunk, decoder);
    CHECK_FALSE(got.done);
    decoder.finish(got.content);
    CHECK(decoder.done());
    CHECK(got.content == ".\n..\na\nb c\n.\nend\n");
  }
}

TEST_CASE("BDAT may end anywhere") {
  const auto all = [](std::string_view wire) {
    DataDecoder decoder(DataDecoder::Framing::counted);
    Decoded got = decode(wire, 1, decoder);
    decoder.finish(got.content);
    return got.content;
  };
  CHECK(all("").empty());
  CHECK(all("a") == "a\n");
  CHECK(all("a\r\n") == "a\n");
  CHECK(all("a\n") == "a\n");
  CHECK(all("a\r") == "a \n");
}

TEST_CASE("long lines are folded at the limit, never inside a character or a stuffed dot") {
  const DataEncoder::Rules rules{.line_limit = 10, .replace_bare_cr = true};
  CHECK(encode("0123456789\n", 100, rules) == "0123456789\r\n.\r\n");
  CHECK(encode("0123456789a\n", 100, rules) == "0123456789\r\n a\r\n.\r\n");
  CHECK(encode("0123456789012345678\n", 100, rules) == "0123456789\r\n 012345678\r\n.\r\n");
  CHECK(encode("01234567890123456789\n", 100, rules) == "0123456789\r\n 012345678\r\n 9\r\n.\r\n");
  CHECK(encode("012345678\xc3\xbc\n", 100, rules) == "012345678\r\n \xc3\xbc\r\n.\r\n");
  CHECK(encode("0123456\xf0\x9f\x98\x80\n", 100, rules) == "0123456\r\n \xf0\x9f\x98\x80\r\n.\r\n");
  CHECK(encode("012345\xf0\x9f\x98\x80\n", 100, rules) == "012345\xf0\x9f\x98\x80\r\n.\r\n");
  CHECK(encode(".123456789\n", 100, rules) == "..123456789\r\n.\r\n");
  std::string hostile;
  for (int i = 0; i < 300; ++i)
    hostile += i % 7 == 0 ? "." : i % 5 == 0 ? "\r" : i % 3 == 0 ? "\xc3\xbc" : "\x80";
  for (const std::size_t chunk : {1U, 2U, 7U, 100U}) {
    const std::string wire = encode(hostile, chunk, rules);
    CHECK(wire == encode(hostile, 1000, rules));
    CHECK(only_crlf(wire));
    std::size_t start = 0;
    for (std::size_t end = wire.find("\r\n"); end != std::string::npos; end = wire.find("\r\n", start)) {
      CHECK(end - start <= 11);
      start = end + 2;
    }
  }
}

TEST_CASE("POP3 keeps every byte and its size is foretold") {
  const DataEncoder::Rules rules{.line_limit = 0, .replace_bare_cr = false};
  for (const std::string_view content :
       {"a\nb\n"sv, "a\rb\n"sv, "a\r\nb\n"sv, "a\r\r\nb\n"sv, ""sv, "\n\n"sv}) {
    const std::string wire = encode(content, 1, rules);
    CHECK(wire == encode(content, 100, rules));
    CHECK(wire.size() == wire_size(content) + 3);
  }
  CHECK(encode("a\rb\n.\n", 1, rules) == "a\rb\r\n..\r\n.\r\n");
}
