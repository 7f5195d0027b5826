#include "bounce/rules.h"

#include <algorithm>
#include <utility>

#include "lib/base/text.h"

namespace postrider::bounce {
namespace {

constexpr std::size_t most_of_origin_file = 4096;

Result<std::string> origin_of(const std::string& myorigin, os::Files& files) {
  if (!myorigin.starts_with('/')) return myorigin;
  const Result<std::string> content = os::read_file(files, myorigin, most_of_origin_file);
  if (!content) return fail(Trouble::configuration, "parameter myorigin: " + content.error().text());
  const std::string_view line = trim(std::string_view(*content).substr(0, content->find('\n')));
  if (line.empty()) return fail(Trouble::configuration, "parameter myorigin: " + myorigin + " is empty");
  return std::string(line);
}

}  // namespace

Result<Rules> make_rules(const BounceConfig& config, const config::Identity& identity, os::Files& files) {
  Rules rules;
  Result<std::string> origin = origin_of(identity.myorigin(), files);
  if (!origin) return fail(origin.error());
  rules.hostname = identity.myhostname();
  rules.mail_name = identity.mail_name();
  rules.origin = std::move(*origin);
  const auto complete = [&](const std::string& address) {
    return address.find('@') == std::string::npos ? address + "@" + rules.origin : address;
  };
  rules.double_bounce_sender = complete(config.double_bounce_sender());
  rules.double_bounce_recipient = complete(config.double_bounce_recipient());
  rules.bounce_recipient = complete(config.bounce_recipient());
  rules.delay_recipient = complete(config.delay_recipient());
  const auto told_of = [&](std::string_view name) {
    return std::ranges::any_of(config.notify_classes(),
                               [&](const std::string& one) { return iequals(one, name); });
  };
  rules.notify_bounce = told_of("bounce");
  rules.notify_double_bounce = rules.notify_bounce || told_of("2bounce");
  rules.notify_delay = told_of("delay");
  rules.size_limit = static_cast<std::uint64_t>(config.size_limit());
  rules.queue_lifetime = config.queue_lifetime();
  return rules;
}

}  // namespace postrider::bounce
