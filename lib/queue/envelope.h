// The envelope: everything the queue knows about a message besides its content. A plain value, used
// by cleanup, qmgr, the delivery agents, bounce and the tools, on disk and between processes.
//
// Encoded by one codec: two bytes of kind and version, then tagged fields; a decoder skips tags it
// does not know, so that a newer writer's queue is readable. Every field is capped, on both sides.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/error.h"
#include "lib/queue/queue_id.h"

namespace postrider::queue {

inline constexpr std::size_t max_address_bytes = 2048;    // one address as written in an envelope
inline constexpr std::size_t max_attribute_bytes = 1024;  // names, HELO, SASL names, ENVID, …
inline constexpr std::size_t max_reason_bytes = 2048;     // longer reasons are clipped, not refused
inline constexpr std::size_t max_recipients = 200'000;    // of one message
inline constexpr std::size_t max_envelope_bytes =
    12U << 20;  // encoded; what a message between processes may carry

enum class BodyEncoding : std::uint8_t { unspecified, seven_bit, eight_bit_mime, binary_mime };  // RFC 6152
enum class DsnReturn : std::uint8_t { unspecified, full, headers };  // RFC 3461 4.3

// RFC 3461 4.1; 0: not given, that is failure and perhaps delay.
namespace notify {
inline constexpr std::uint8_t never = 1, success = 2, failure = 4, delay = 8;
}

// Of the whole message; or-ed into Envelope::flags.
namespace flag {
inline constexpr std::uint32_t hold = 1U << 0;        // goes to hold/ and waits for the administrator
inline constexpr std::uint32_t discard = 1U << 1;     // accepted, then dropped
inline constexpr std::uint32_t verify = 1U << 2;      // sendmail -bv, address probes: report, do not deliver
inline constexpr std::uint32_t record = 1U << 3;      // sendmail -v: deliver and report
inline constexpr std::uint32_t smtputf8 = 1U << 4;    // SMTPUTF8 was requested or is needed (RFC 6531)
inline constexpr std::uint32_t expire = 1U << 5;      // prsuper -e: return to sender at the next chance
inline constexpr std::uint32_t warned = 1U << 6;      // the sender was told of the delay
inline constexpr std::uint32_t local = 1U << 7;       // came through maildrop/, not from the network
inline constexpr std::uint32_t requiretls = 1U << 8;  // RFC 8689
inline constexpr std::uint32_t no_filter = 1U << 9;   // past content_filter already, or exempt
inline constexpr std::uint32_t bounce = 1U << 10;     // made by bounce: never answered by another bounce
inline constexpr std::uint32_t no_canonical = 1U << 11;  // receive_override_options no_address_mappings
}  // namespace flag

// Who handed the message in, for logs, milters, XFORWARD and policy. Empty: unknown.
struct ClientAttributes {
  std::string name;          // verified host name or "unknown"
  std::string reverse_name;  // PTR, verified or not
  std::string address;       // numeric
  std::string port;
  std::string helo;
  std::string protocol;  // "SMTP", "ESMTP", "LMTP"
  bool operator==(const ClientAttributes&) const = default;
};

enum class RecipientStatus : std::uint8_t { todo, delivered, bounced };  // bounced: returned or expired

struct Recipient {
  std::string address;   // where it goes now, after rewriting and expansion
  std::string original;  // as the client gave it; empty: the same. Shown as orig_to=
  std::string orcpt;     // "type;address", decoded xtext (RFC 3461 4.2)
  std::uint8_t notify = 0;
  RecipientStatus status = RecipientStatus::todo;
  std::uint32_t attempts = 0;
  // Of the last attempt that failed; what a bounce will quote.
  std::string dsn;           // "4.4.1"
  std::string reason;        // one line
  std::string remote_mta;    // host that spoke, if one did
  std::string remote_reply;  // what it said
  bool operator==(const Recipient&) const = default;
};

struct Envelope {
  QueueId id;
  WallTime arrival;
  std::string sender;      // empty: the null sender
  std::uint64_t size = 0;  // of the content in bytes
  std::uint32_t flags = 0;
  BodyEncoding encoding = BodyEncoding::unspecified;
  DsnReturn dsn_return = DsnReturn::unspecified;
  std::string envid;            // decoded xtext
  std::string full_name;        // sendmail -F: for a From: header to be made
  std::string content_filter;   // transport:nexthop from a FILTER action; empty: main.cf decides
  std::string rewrite_context;  // "local", "remote"; empty: local
  std::string verp_delimiters;  // sendmail -XV
  std::string sasl_method, sasl_username, sasl_sender;
  std::string orig_queue_id;        // before prsuper -r, or the peer's by XFORWARD IDENT
  std::uint32_t submitter_uid = 0;  // of a message from maildrop/
  ClientAttributes client;
  ClientAttributes forwarded;  // by XFORWARD: the client in front of our peer
  std::vector<Recipient> recipients;
  bool operator==(const Envelope&) const = default;

  bool has(std::uint32_t flag) const { return (flags & flag) != 0; }
};

// Fails (permanent, naming the field) when something is over its cap or holds NUL or a newline in
// an address or attribute; reasons and replies are clipped and cleaned instead.
Result<std::string> encode(const Envelope& envelope);

// Never trusts `bytes`: permanent on anything malformed, truncated or over a cap.
Result<Envelope> decode_envelope(std::string_view bytes);

}  // namespace postrider::queue
