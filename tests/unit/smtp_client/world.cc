#include "tests/unit/smtp_client/world.h"

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/os/files.h"

namespace postrider::smtp_client::test {

dns::Answer& TableResolver::answer(const std::string& key) {
  const auto at = answers.try_emplace(key, dns::Answer()).first;
  at->second->outcome = dns::Answer::Outcome::found;
  return *at->second;
}

void TableResolver::add_mx(const std::string& domain, std::uint16_t preference, const std::string& host) {
  dns::Record record;
  record.preference = preference;
  record.host = host;
  answer(domain + " MX").records.push_back(record);
}

void TableResolver::add_address(const std::string& host, const std::string& ip) {
  dns::Record record;
  record.ip = *address::IpAddress::parse(ip);
  answer(host + (record.ip.is_v4() ? " A" : " AAAA")).records.push_back(record);
}

event::Task<Result<dns::Answer>> TableResolver::lookup(std::string name, dns::Type type, MonoTime) {
  ++asked;
  const auto found = answers.find(name + " " + dns::type_name(type));
  if (found != answers.end()) co_return found->second;
  dns::Answer none;
  none.outcome = dns::Answer::Outcome::no_name;
  for (const auto& [key, value] : answers)
    if (key.starts_with(name + " ")) none.outcome = dns::Answer::Outcome::no_data;
  co_return none;
}

World::World(const std::string& main_cf, const std::string& program) : config(program) {
  config::Values values =
      config::Values::of_text("myhostname = me.test\ncompatibility_level = 3.6\n" + main_cf);
  if (const Result<> loaded = config::load(values, {&config}); !loaded) {
    fmt::print("{}\n", loaded.error().text());
    std::abort();
  }
  here.reset(new Surroundings{.loop = loop,
                              .tasks = tasks,
                              .log = log,
                              .config = config,
                              .resolver = resolver,
                              .stop = stop.token(),
                              .hostname = "me.test",
                              .random = std::mt19937_64{1}});
  for (const std::string& word : config.discard_keywords()) here->discarded_keywords.push_back(upper(word));
  kept = std::make_unique<KeptSessions>(*here);
  envelope.id = *queue::QueueId::parse("0F00A1234567");
  envelope.sender = "sender@me.test";
}

World::~World() {
  stop.stop();
  loop.run_until_done(tasks.join());
}

void World::wait(Microseconds time) { loop.run_until_done(loop.sleep(time)); }

event::Task<protocol::DeliveryReport> World::start(std::string nexthop, int recipients) {
  queue::Envelope mine = envelope;
  if (mine.recipients.empty())
    for (int i = 1; i <= recipients; ++i) {
      queue::Recipient recipient;
      recipient.address = fmt::format("user{}@example.org", i);
      mine.recipients.push_back(std::move(recipient));
    }
  mine.size = content.size();
  const std::string before = "not part of the message";
  const std::string_view parts[] = {before, content};
  Result<os::Fd> file = os::memory_file("message", parts);
  if (!file) std::abort();
  queue::Content stored;
  stored.fd = std::move(*file);
  stored.offset = before.size();
  stored.length = content.size();
  const Mail mail{.envelope = mine, .content = stored, .header = header};
  const auto log_line = [&](const protocol::RecipientOutcome& outcome, std::string_view relay, unsigned use) {
    using Kind = protocol::RecipientOutcome::Kind;
    const char* status = outcome.kind == Kind::deferred  ? "deferred"
                         : outcome.kind == Kind::bounced ? "bounced"
                                                         : "sent";
    last_use = use;
    lines.push_back(fmt::format("<{}> relay={} dsn={} {} ({})", mine.recipients[outcome.index].address, relay,
                                outcome.dsn, status, outcome.reason));
  };
  Delivery delivery(*here, *kept, mail, nexthop, log_line, {});
  protocol::DeliveryReport report = co_await delivery.run();
  co_return report;
}

protocol::DeliveryReport World::deliver(const std::string& nexthop, int recipients) {
  lines.clear();
  return loop.run_until_done(start(nexthop, recipients));
}

std::string hello(const std::string& offers, const std::string& name) {
  std::string script = "S: 220 sink.test ESMTP\nC: EHLO " + name + "\n";
  const std::vector<std::string_view> words = split_any(offers, ",");
  script += words.empty() ? "S: 250 sink.test\n" : "S: 250-sink.test\n";
  for (std::size_t i = 0; i < words.size(); ++i)
    script += fmt::format("S: 250{}{}\n", i + 1 < words.size() ? "-" : " ", trim(words[i]));
  return script;
}

std::string envelope_one_by_one(int recipients) {
  std::string script = "C: MAIL FROM:<sender@me.test>\nS: 250 2.1.0 Ok\n";
  for (int i = 1; i <= recipients; ++i)
    script += fmt::format("C: RCPT TO:<user{}@example.org>\nS: 250 2.1.5 Ok\n", i);
  return script + "C: DATA\nS: 354 go on\n";
}

const char* const taken = "DATA\nS: 250 2.0.0 Ok: queued as X1\n";

}  // namespace postrider::smtp_client::test
