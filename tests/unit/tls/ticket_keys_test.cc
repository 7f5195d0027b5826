#include "lib/tls/ticket_keys.h"

#include <catch2/catch.hpp>

using namespace postrider;
using namespace postrider::tls;

TEST_CASE("ticket keys differ by service and follow each other in time") {
  ManualClock clock;
  TicketKeyring ring(clock, Seconds{3600});
  const auto smtpd = ring.keys_for("smtpd");
  REQUIRE(smtpd.size() == 2);
  CHECK(smtpd[0].name != smtpd[1].name);
  CHECK(ring.keys_for("imapd")[0].cipher != smtpd[0].cipher);
  CHECK(ring.keys_for("smtpd")[0].cipher == smtpd[0].cipher);
  CHECK(ring.until_renewal() == Seconds{3600});

  clock.advance(Seconds{3601});
  const auto later = ring.keys_for("smtpd");
  CHECK(later[0].cipher != smtpd[0].cipher);
  CHECK(later[1].cipher == smtpd[0].cipher);
  CHECK(later[1].mac == smtpd[0].mac);
  CHECK(ring.until_renewal() == Seconds{3599});
}

TEST_CASE("a key that had its time is forgotten even when nobody asked meanwhile") {
  ManualClock clock;
  TicketKeyring ring(clock, Seconds{60});
  const auto first = ring.keys_for("smtpd");
  clock.advance(Seconds{150});
  for (const TicketKey& key : ring.keys_for("smtpd")) CHECK(key.cipher != first[0].cipher);
  CHECK(ring.until_renewal() == Seconds{30});
}
