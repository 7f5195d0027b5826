// The lines of Dovecot's authentication protocol (auth-client, version 1.2): fields between TABs, "\001"
// before what would end a field or a line. Pure text in and out; input is a stranger's program's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/protocol/auth.h"

namespace postrider::auth {

inline constexpr std::size_t max_dovecot_line = 16 * 1024;

struct DovecotCommand {
  enum class Kind {
    version,  // VERSION major minor: `id` is the major number
    cpid,     // CPID number
    auth,     // AUTH id mechanism parameters
    cont,     // CONT id response
    cancel,   // CANCEL id
  };
  Kind kind = Kind::version;
  std::uint32_t id = 0;
  protocol::AuthStart start;  // auth
  std::string response;       // cont, decoded
};

// nullopt for anything that is no command: the connection is to be closed.
std::optional<DovecotCommand> parse_dovecot_line(std::string_view line);

// What a client is greeted with: VERSION to DONE.
std::string dovecot_greeting(const std::vector<std::string>& mechanisms, std::uint32_t process_id,
                             std::uint32_t connection_id, std::string_view cookie);

// CONT, OK or FAIL, with its newline.
std::string dovecot_answer(std::uint32_t id, const protocol::AuthStep& step);

std::string dovecot_escape(std::string_view field);
std::string dovecot_unescape(std::string_view field);

}  // namespace postrider::auth
