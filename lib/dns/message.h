// Reads a DNS response packet (RFC 1035 section 4). Pure; the bytes are a stranger's.
#pragma once

#include <cstddef>
#include <string_view>

#include "lib/base/error.h"
#include "lib/dns/answer.h"

namespace postrider::dns {

// The records of `type` that answer the packet's own question, aliases followed. `most` caps the records
// kept; the rest is not looked at. The response code is the caller's business. peer: malformed or truncated
// packet.
Result<Answer> parse_response(std::string_view packet, Type type, std::size_t most = max_records);

}  // namespace postrider::dns
