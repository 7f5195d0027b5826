#include "smtpd/restrictions.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/core.h>

#include "lib/base/text.h"
#include "lib/config/list.h"

namespace postrider::smtpd {

using Kind = Verdict::Kind;

namespace {

constexpr std::array<std::string_view, 8> with_argument = {
    "check_client_access",    "check_helo_access",  "check_sender_access",
    "check_recipient_access", "check_ccert_access", "check_reverse_client_hostname_access",
    "check_sasl_access",      "check_etrn_access"};

bool takes_argument(std::string_view name) {
  return std::ranges::find(with_argument, name) != with_argument.end();
}

}  // namespace

smtp::Reply relay_denied(const SmtpdConfig& config, std::string_view recipient) {
  const auto code = static_cast<int>(config.relay_code());
  return {code, fmt::format("{}.7.1 <{}>: Relay access denied", code / 100, recipient)};
}

bool is_authorised_destination(const SmtpdConfig& config, const protocol::Route& route) {
  if (route.address_class == protocol::AddressClass::other) return false;
  return route.address_class != protocol::AddressClass::relay || !route.routed || config.untrusted_routing();
}

std::optional<smtp::Reply> unlisted(const SmtpdConfig& config, const protocol::RecipientChecked& checked,
                                    std::string_view address, Party party) {
  using Existence = protocol::RecipientChecked::Existence;
  using protocol::AddressClass;
  if (checked.existence == Existence::trouble)
    return smtp::Reply(451, fmt::format("4.3.0 <{}>: Temporary lookup failure", address));
  if (checked.existence != Existence::unlisted) return std::nullopt;
  const AddressClass kind = checked.route.address_class;
  const std::int64_t code = kind == AddressClass::virtual_mailbox ? config.unknown_virtual_code()
                            : kind == AddressClass::virtual_alias ? config.unknown_alias_code()
                            : kind == AddressClass::relay         ? config.unknown_relay_code()
                                                                  : config.unknown_local_code();
  return smtp::Reply(static_cast<int>(code),
                     fmt::format("{}.1.{} <{}>: {} address rejected: User unknown in {}", code / 100,
                                 party == Party::sender ? 0 : 1, address,
                                 party == Party::sender ? "Sender" : "Recipient", checked.table_kind));
}

void Verdict::add(Verdict later) {
  hold |= later.hold;
  discard |= later.discard;
  if (!later.redirect.empty()) redirect = std::move(later.redirect);
  if (!later.filter.empty()) filter = std::move(later.filter);
  for (std::string& line : later.prepend) prepend.push_back(std::move(line));
  if (deferred.code == 0) deferred = std::move(later.deferred);
  if (later.kind == Kind::neutral) return;
  kind = later.kind;
  reply = std::move(later.reply);
}

namespace {

// What a table without the name of a check is asked about; "" where that is not clear.
std::string_view check_of_list(std::string_view parameter) {
  if (parameter == "smtpd_client_restrictions") return "check_client_access";
  if (parameter == "smtpd_helo_restrictions") return "check_helo_access";
  if (parameter == "smtpd_sender_restrictions") return "check_sender_access";
  if (parameter == "smtpd_relay_restrictions" || parameter == "smtpd_recipient_restrictions")
    return "check_recipient_access";
  return "";
}

}  // namespace

Result<RestrictionList> RestrictionList::parse(const std::vector<std::string>& items,
                                               const config::Values& values,
                                               const std::vector<std::string>& classes,
                                               const std::string& parameter,
                                               const std::vector<std::string>& open) {
  RestrictionList list;
  list.parameter_ = parameter;
  bool warn = false;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Restriction restriction;
    restriction.name = lower(items[i]);
    if (restriction.name == "warn_if_reject") {
      warn = true;
      continue;
    }
    restriction.warn_only = std::exchange(warn, false);
    if (std::ranges::find(classes, items[i]) != classes.end()) {
      if (std::ranges::find(open, items[i]) != open.end())
        return fail(Trouble::configuration,
                    fmt::format("{}: restriction class {} refers to itself", parameter, items[i]));
      const Result<std::string> text = values.text(items[i]);
      if (!text) return std::unexpected(text.error());
      const Result<std::vector<std::string>> inner = config::split_list(*text);
      if (!inner) return std::unexpected(inner.error());
      std::vector<std::string> inside = open;
      inside.push_back(items[i]);
      Result<RestrictionList> nested = parse(*inner, values, classes, parameter, inside);
      if (!nested) return std::unexpected(nested.error());
      for (Restriction& one : nested->restrictions_) {
        one.warn_only |= restriction.warn_only;
        list.restrictions_.push_back(std::move(one));
      }
      continue;
    }
    if (takes_argument(restriction.name)) {
      if (i + 1 == items.size())
        return fail(Trouble::configuration,
                    fmt::format("{}: {} must be followed by a table, such as hash:/etc/postrider/access",
                                parameter, items[i]));
      restriction.argument = items[++i];
    } else if (restriction.name.find(':') != std::string::npos) {
      restriction.argument = items[i];
      restriction.name = check_of_list(parameter);
      if (restriction.name.empty())
        return fail(Trouble::configuration,
                    fmt::format("{}: say what {} is asked about: check_client_access {}", parameter, items[i],
                                items[i]));
    }
    list.restrictions_.push_back(std::move(restriction));
  }
  return list;
}

bool RestrictionList::protects_relay() const {
  constexpr std::array<std::string_view, 5> protecting = {
      "reject", "defer", "defer_if_permit", "reject_unauth_destination", "defer_unauth_destination"};
  for (const Restriction& restriction : restrictions_) {
    if (restriction.name == "permit") return false;  // what comes later is never reached
    if (!restriction.warn_only && std::ranges::find(protecting, restriction.name) != protecting.end())
      return true;
  }
  return false;
}

}  // namespace postrider::smtpd
