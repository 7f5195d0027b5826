#include "error/agents.h"

#include <catch2/catch.hpp>

using namespace postrider;
using Kind = protocol::RecipientOutcome::Kind;

namespace {

daemon::Job job(const std::string& nexthop) {
  daemon::Job job;
  job.request.nexthop = nexthop;
  job.envelope.recipients.resize(2);
  return job;
}

}  // namespace

TEST_CASE("the next hop is the reason, for every recipient") {
  const protocol::DeliveryReport report = error::bounce_all(job("5.1.1 no such user here"));
  REQUIRE(report.outcomes.size() == 2);
  CHECK(report.outcomes[1].index == 1);
  CHECK(report.outcomes[1].kind == Kind::bounced);
  CHECK(report.outcomes[1].dsn == "5.1.1");
  CHECK(report.outcomes[1].reason == "no such user here");
}

TEST_CASE("a status code of the wrong class keeps its detail") {
  CHECK(error::bounce_all(job("4.2.1 closed")).outcomes[0].dsn == "5.2.1");
  CHECK(error::defer_all(job("5.2.1 closed")).outcomes[0].dsn == "4.2.1");
  CHECK(error::defer_all(job("busy")).outcomes[0].dsn == "4.0.0");
}

TEST_CASE("discarding counts as delivered") {
  const protocol::DeliveryReport report = error::discard_all(job("silently"));
  CHECK(report.outcomes[0].kind == Kind::delivered);
  CHECK(report.outcomes[0].dsn == "2.0.0");
}
