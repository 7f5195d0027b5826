// Whether a recipient exists, and table lookups for processes without tables.
#include "lib/address/address.h"
#include "lib/address/ip.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "rewrite/resolver.h"

namespace postrider::rewrite {

namespace {

using Existence = protocol::RecipientChecked::Existence;
using protocol::AddressClass;
using protocol::LookedUp;

// As in "550 5.1.1 <x>: Recipient address rejected: User unknown in local recipient table".
std::string_view table_kind_of(AddressClass address_class) {
  switch (address_class) {
    case AddressClass::local: return "local recipient table";
    case AddressClass::virtual_alias: return "virtual alias table";
    case AddressClass::virtual_mailbox: return "virtual mailbox table";
    case AddressClass::relay: return "relay recipient table";
    case AddressClass::other: break;
  }
  return "";
}

}  // namespace

Result<bool> Resolver::knows(const table::Maps& maps, const std::string& recipient) const {
  const table::Found found = table::find_address(maps, recipient, address_rules_);
  if (!found) return fail(found.error());
  return found->has_value();
}

const table::Maps* Resolver::recipients_of(AddressClass address_class) const {
  switch (address_class) {
    case AddressClass::local: return &local_recipient_;
    case AddressClass::virtual_mailbox: return &virtual_mailbox_;
    case AddressClass::relay: return &relay_recipient_;
    case AddressClass::virtual_alias:
    case AddressClass::other: break;
  }
  return nullptr;
}

Result<Existence> Resolver::look_for(const protocol::Route& route, std::string& table_kind) const {
  // Whatever is replaced by another address exists, in every class.
  for (const table::Maps* maps : {&recipient_canonical_, &canonical_, &virtual_alias_}) {
    const Result<bool> known = knows(*maps, route.recipient);
    if (!known) return fail(known.error());
    if (*known) return Existence::listed;
  }
  const bool alias = route.address_class == AddressClass::virtual_alias;
  table_kind = table_kind_of(route.address_class);
  const table::Maps* maps = recipients_of(route.address_class);
  if (maps == nullptr || maps->empty()) return alias ? Existence::unlisted : Existence::unchecked;
  const Result<bool> known = knows(*maps, route.recipient);
  if (!known) return fail(known.error());
  if (*known) return Existence::listed;
  // The local part alone, in the local class whatever the domain's form (address literals too).
  if (route.address_class == AddressClass::local) {
    const std::string local_part(table::split_address(route.recipient).local_part);
    const table::Found found = table::find_address(*maps, local_part, sender_address_rules_);
    if (!found) return fail(found.error());
    // The sender of address probes must be able to receive their answers.
    if (*found || iequals(local_part, "double-bounce")) return Existence::listed;
  }
  return Existence::unlisted;
}

protocol::RecipientChecked Resolver::find_recipient(protocol::Route route) const {
  protocol::RecipientChecked checked;
  checked.route = std::move(route);
  if (checked.route.trouble == protocol::Route::Trouble::table) checked.existence = Existence::trouble;
  if (checked.route.trouble != protocol::Route::Trouble::none) return checked;
  const Result<Existence> existence = look_for(checked.route, checked.table_kind);
  if (!existence)
    context_.log.warning("table lookup problem for recipient <{}>: {}", checked.route.recipient,
                         existence.error().text());
  checked.existence = existence.value_or(Existence::trouble);
  return checked;
}

protocol::RecipientChecked Resolver::check(std::string_view sender, std::string_view address) const {
  return find_recipient(resolve(sender, rewrite(address, Context::local)));
}

bool Resolver::finding_blocks(AddressClass address_class) const {
  const table::Maps* maps = recipients_of(address_class);
  return recipient_canonical_.blocks() || canonical_.blocks() || virtual_alias_.blocks() ||
         (maps != nullptr && maps->blocks());
}

LookedUp Resolver::look_up(const protocol::Lookup& question) const {
  constexpr std::size_t max_value = 100'000;  // as LookedUp::Answer caps it
  const table::Maps& maps = other_maps(question.maps);
  LookedUp answer;
  for (std::size_t i = 0; i < question.keys.size(); ++i) {
    const std::string& key = question.keys[i];
    // Of keys made from one another the first is whole, and so is an address beside a host name; what
    // is left are parts, which pattern tables do not want to see.
    const bool whole = !question.first_only || i == 0 || address::IpAddress::parse(key).has_value();
    const Result<std::optional<std::string>> found =
        maps.lookup(key, whole ? table::Maps::Keys::whole : table::Maps::Keys::partial);
    LookedUp::Answer one;
    one.key = key;
    if (!found || (*found && (*found)->size() > max_value)) {
      one.status = LookedUp::Answer::Status::trouble;
    } else if (*found) {
      one.status = LookedUp::Answer::Status::found;
      one.value = **found;
    } else if (question.first_only) {
      continue;
    }
    answer.answers.push_back(std::move(one));
    if (question.first_only) return answer;
  }
  if (question.first_only) answer.answers.emplace_back();
  return answer;
}

}  // namespace postrider::rewrite
