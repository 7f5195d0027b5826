// All that a delivery needs, made for a test: a clock that is turned by hand, a resolver that answers from a
// table, a message in memory.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/clock.h"
#include "lib/config/values.h"
#include "smtp/delivery.h"

namespace postrider::smtp_client::test {

class TableResolver final : public dns::Resolver {
 public:
  // By "example.org MX"; what is not there does not exist.
  std::map<std::string, Result<dns::Answer>> answers;
  int asked = 0;

  void add_mx(const std::string& domain, std::uint16_t preference, const std::string& host);
  void add_address(const std::string& host, const std::string& ip);
  event::Task<Result<dns::Answer>> lookup(std::string name, dns::Type type, MonoTime deadline) override;

 private:
  dns::Answer& answer(const std::string& key);
};

struct World {
  explicit World(const std::string& main_cf = "", const std::string& program = "smtp");
  ~World();

  ManualClock clock;
  event::Loop loop{clock};
  MemoryLog log;
  ClientConfig config;
  TableResolver resolver;
  event::StopSource stop;
  event::TaskScope tasks{loop};
  std::unique_ptr<Surroundings> here;
  std::unique_ptr<KeptSessions> kept;

  // Of the message to be delivered.
  queue::Envelope envelope;
  std::string content = "Subject: test\n\nHello\n";
  std::string header;

  // To user1@example.org, user2@…; returns the report, and adds a line for each outcome to `lines`:
  // "<user1@example.org> relay=H[IP]:25 dsn=2.0.0 sent|deferred|bounced (reason)".
  protocol::DeliveryReport deliver(const std::string& nexthop, int recipients = 1);
  event::Task<protocol::DeliveryReport> start(std::string nexthop, int recipients);
  // Lets so much time pass.
  void wait(Microseconds time);
  std::vector<std::string> lines;
  unsigned last_use = 0;
};

// EHLO and its answer, up to before MAIL.
std::string hello(const std::string& offers = "PIPELINING", const std::string& name = "me.test");
// MAIL, RCPT for so many, DATA, each with a good answer.
std::string envelope_one_by_one(int recipients = 1);
// The content, and a good answer.
extern const char* const taken;

}  // namespace postrider::smtp_client::test
