#include "lib/message/received.h"

#include <catch2/catch.hpp>

#include "lib/message/date.h"
#include "lib/message/mbox.h"

using namespace postrider;
using namespace postrider::message;
using postrider::address::Address;
using postrider::address::IpAddress;

namespace {

const WallTime new_year{Microseconds{1'704'067'200'000'000}};  // 2024-01-01 00:00:00 UTC
const Zone cet{Seconds{3600}, "CET"};

Received plain() {
  Received r;
  r.helo = "client.example.net";
  r.client_name = "host.example.net";
  r.client_address = *IpAddress::parse("192.0.2.7");
  r.hostname = "mail.example.org";
  r.mail_name = "Postrider";
  r.protocol = "ESMTP";
  r.queue_id = "4A5B6C";
  r.recipient = "user@example.org";
  r.time = new_year;
  r.zone = cet;
  return r;
}

}  // namespace

TEST_CASE("dates are written in the zone that was handed in") {
  CHECK(format_date(new_year) == "Mon,  1 Jan 2024 00:00:00 +0000 (UTC)");
  CHECK(format_date(new_year, cet) == "Mon,  1 Jan 2024 01:00:00 +0100 (CET)");
  CHECK(format_date(new_year, {Seconds{-12600}, "NST"}) == "Sun, 31 Dec 2023 20:30:00 -0330 (NST)");
  CHECK(format_date(new_year, {Seconds{0}, "a) evil\n"}) == "Mon,  1 Jan 2024 00:00:00 +0000");
  CHECK(format_date(WallTime{Microseconds{-1}}) == "Wed, 31 Dec 1969 23:59:59 +0000 (UTC)");
  CHECK(format_mbox_date(new_year, cet) == "Mon Jan  1 01:00:00 2024");
  CHECK(make_message_id(new_year, "4A5B6C", "mail.example.org") ==
        "<20240101000000.4A5B6C@mail.example.org>");
}

TEST_CASE("Received is worded as Postfix words it") {
  CHECK(received_by_smtp(plain()) ==
        "Received: from client.example.net (host.example.net [192.0.2.7])\n"
        "\tby mail.example.org (Postrider) with ESMTP id 4A5B6C\n"
        "\tfor <user@example.org>; Mon,  1 Jan 2024 01:00:00 +0100 (CET)\n");
  Received many = plain();
  many.recipient.clear();
  many.helo.clear();
  many.client_address = *IpAddress::parse("2001:db8::1");
  CHECK(received_by_smtp(many) ==
        "Received: from host.example.net (host.example.net [IPv6:2001:db8::1])\n"
        "\tby mail.example.org (Postrider) with ESMTP id 4A5B6C;\n"
        "\tMon,  1 Jan 2024 01:00:00 +0100 (CET)\n");
  CHECK(received_from_user("mail.example.org", "Postrider", 1000, "4A5B6C", new_year, cet) ==
        "Received: by mail.example.org (Postrider, from userid 1000)\n"
        "\tid 4A5B6C; Mon,  1 Jan 2024 01:00:00 +0100 (CET)\n");
  CHECK(received_internally("mail.example.org", "Postrider", "4A5B6C", new_year, cet) ==
        "Received: by mail.example.org (Postrider)\n"
        "\tid 4A5B6C; Mon,  1 Jan 2024 01:00:00 +0100 (CET)\n");
}

TEST_CASE("Received tells of TLS and of the authenticated sender") {
  ReceivedTls tls;
  tls.protocol = "TLSv1.3";
  tls.cipher = "TLS_AES_256_GCM_SHA384";
  tls.used_bits = tls.bits = 256;
  tls.key_exchange = "X25519";
  tls.server_signature = "RSA-PSS (2048 bits)";
  tls.server_digest = "SHA256";
  Received r = plain();
  r.tls = &tls;
  r.sasl_username = "ann";
  r.protocol = with_protocol(false, true, true, true, false);
  CHECK(received_by_smtp(r) ==
        "Received: from client.example.net (host.example.net [192.0.2.7])\n"
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\n"
        "\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\n"
        "\t(No client certificate requested)\n"
        "\t(Authenticated sender: ann)\n"
        "\tby mail.example.org (Postrider) with ESMTPSA id 4A5B6C\n"
        "\tfor <user@example.org>; Mon,  1 Jan 2024 01:00:00 +0100 (CET)\n");
  tls.asked_for_certificate = true;
  CHECK(received_by_smtp(r).find("\n\t(Client did not present a certificate)\n") != std::string::npos);
  tls.has_certificate = tls.verified = true;
  tls.client_cn = "ann";
  tls.issuer_cn = "ca";
  CHECK(received_by_smtp(r).find("\n\t(Client CN \"ann\", Issuer \"ca\" (verified OK))\n") !=
        std::string::npos);
}

TEST_CASE("names from peers cannot break out of Received") {
  Received r = plain();
  ReceivedTls tls;
  tls.has_certificate = true;
  tls.client_cn = "a\") x\r\nBcc: evil";
  r.tls = &tls;
  r.helo = "a\nBcc: evil";
  r.client_name = "x) (y";
  r.sasl_username = "u)\nBcc: evil";
  const std::string field = received_by_smtp(r);
  CHECK(field.find("\nBcc") == std::string::npos);
  CHECK(field.find("x? ?y") != std::string::npos);
  CHECK(field.find("sender: u??Bcc: evil)") != std::string::npos);
  CHECK(field.find("CN \"a?? x??Bcc: evil\"") != std::string::npos);
}

TEST_CASE("protocol keywords follow RFC 3848 and RFC 6531") {
  CHECK(with_protocol(false, false, false, false, false) == "SMTP");
  CHECK(with_protocol(false, true, true, false, false) == "ESMTPS");
  CHECK(with_protocol(false, true, false, true, true) == "UTF8SMTPA");
  CHECK(with_protocol(true, true, false, false, false) == "LMTP");
}

TEST_CASE("mbox separators have three parts for every sender") {
  CHECK(mbox_separator(Address{"ann", "x.org"}, new_year, cet) ==
        "From ann@x.org  Mon Jan  1 01:00:00 2024\n");
  CHECK(mbox_separator(Address{}, new_year, cet) == "From MAILER-DAEMON  Mon Jan  1 01:00:00 2024\n");
  CHECK(mbox_separator(Address{"a b", "x.org"}, new_year, cet) ==
        "From \"a_b\"@x.org  Mon Jan  1 01:00:00 2024\n");
}

TEST_CASE("From lines of the content are quoted wherever chunks are cut") {
  const std::string content = "From a\nFrom\nFrom: x\n From b\n>From c\nFro\nxFrom d\nFrom ";
  const std::string quoted = ">From a\nFrom\nFrom: x\n From b\n>From c\nFro\nxFrom d\n>From \n\n";
  for (const std::size_t chunk : {1U, 2U, 3U, 5U, 100U}) {
    MboxQuoter quoter;
    std::string out;
    for (std::size_t at = 0; at < content.size(); at += chunk)
      quoter.feed(std::string_view(content).substr(at, chunk), out);
    quoter.finish(out);
    CHECK(out == quoted);
  }
  MboxQuoter quoter;
  std::string out;
  quoter.feed("a\nFro", out);
  quoter.finish(out);
  CHECK(out == "a\nFro\n\n");
}
