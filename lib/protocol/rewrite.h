// What rewrite is asked: addresses brought into their standard form, the way a recipient goes, whether
// a recipient exists, and table lookups for those who may not open tables.
//
// Clients: cleanup and qmgr (trusted), smtpd (network; may look up only in the tables that its own
// configuration names, which rewrite checks against the same main.cf). Requests are batches: the
// answer's items are in the order of the question's. Trouble with a table is an answer, not a failure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/ipc/codec.h"
#include "lib/queue/envelope.h"

namespace postrider::protocol {

inline constexpr std::size_t max_rewrite_batch = 1000;

struct Rewrite {
  static constexpr std::string_view name = "rewrite.rewrite/1";
  std::string context;                 // "local", "remote"
  std::vector<std::string> addresses;  // external form, without <>
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.context, 32);
    v.texts(self.addresses, max_rewrite_batch, queue::max_address_bytes);
  }
};

struct Rewritten {
  static constexpr std::string_view name = "rewrite.rewritten/1";
  std::vector<std::string> addresses;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.texts(self.addresses, max_rewrite_batch, queue::max_address_bytes);
  }
};

// Postfix's address classes.
enum class AddressClass : std::uint8_t { local, virtual_alias, virtual_mailbox, relay, other };

// Where a recipient goes.
struct Route {
  enum class Trouble : std::uint8_t {
    none,
    bad_syntax,  // not an address that can be delivered (501 5.1.3)
    table,       // a table could not be asked: try again later
  };
  std::string transport;  // service name in master.cf: "local", "smtp", "error"
  std::string nexthop;    // for transport "error": the DSN text, "5.1.1 unknown user"
  std::string recipient;  // as the agent will see it
  AddressClass address_class = AddressClass::other;
  Trouble trouble = Trouble::none;
  // The local part holds @, % or ! for another system to act on: user%example.org@relay.example. Not
  // to be relayed for strangers (allow_untrusted_routing).
  bool routed = false;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.transport, 128);
    v.text(self.nexthop, 1024);
    v.text(self.recipient, queue::max_address_bytes);
    v.word(self.address_class, AddressClass::other);
    v.word(self.trouble, Trouble::table);
    v.flag(self.routed);
  }
};

struct Resolve {
  static constexpr std::string_view name = "rewrite.resolve/1";
  std::string sender;
  std::vector<std::string> addresses;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.sender, queue::max_address_bytes);
    v.texts(self.addresses, max_rewrite_batch, queue::max_address_bytes);
  }
};

struct Resolved {
  static constexpr std::string_view name = "rewrite.resolved/1";
  std::vector<Route> routes;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.list(self.routes, max_rewrite_batch);
  }
};

// For smtpd at MAIL and RCPT: rewritten, resolved and looked up in the recipient tables of its class.
struct CheckRecipient {
  static constexpr std::string_view name = "rewrite.check-recipient/1";
  std::string sender;
  std::string address;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.sender, queue::max_address_bytes);
    v.text(self.address, queue::max_address_bytes);
  }
};

struct RecipientChecked {
  static constexpr std::string_view name = "rewrite.recipient-checked/1";
  enum class Existence : std::uint8_t {
    listed,     // found in a table of its class, or by a virtual alias or canonical mapping
    unlisted,   // the class has tables and it is in none of them: "User unknown in …"
    unchecked,  // the class has no table (relay, default, local_recipient_maps empty)
    trouble,    // a table could not be asked
  };
  Route route;
  Existence existence = Existence::unchecked;
  // "local recipient table", "virtual mailbox table", … as in Postfix's 550 5.1.1 reply.
  std::string table_kind;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.part(self.route);
    v.word(self.existence, Existence::trouble);
    v.text(self.table_kind, 64);
  }
};

// Keys looked up one after another in a list of tables ("hash:/etc/x, pcre:/etc/y"); the first hit of
// each key answers.
struct Lookup {
  static constexpr std::string_view name = "rewrite.lookup/1";
  std::string parameter;  // the parameter or restriction that names the tables, for the log
  std::string maps;
  // Tried in this order until one is found, when `first_only`; then the first of them and complete network
  // addresses are whole keys, the others parts, which pattern tables are not asked for.
  std::vector<std::string> keys;
  bool first_only = true;
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.text(self.parameter, 128);
    v.text(self.maps, 8192);
    v.texts(self.keys, 200, queue::max_address_bytes);
    v.flag(self.first_only);
  }
};

struct LookedUp {
  static constexpr std::string_view name = "rewrite.looked-up/1";
  struct Answer {
    enum class Status : std::uint8_t { found, absent, trouble };
    Status status = Status::absent;
    std::string key;  // the one that was found
    std::string value;
    template <class Self, class V>
    static void fields(Self& self, V& v) {
      v.word(self.status, Status::trouble);
      v.text(self.key, queue::max_address_bytes);
      v.text(self.value, 100'000);
    }
  };
  std::vector<Answer> answers;  // one when first_only, else one for each key
  template <class Self, class V>
  static void fields(Self& self, V& v) {
    v.list(self.answers, 200);
  }
};

}  // namespace postrider::protocol
