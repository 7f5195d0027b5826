// Where the services of the suite listen, relative to the queue directory, which is every daemon's
// working directory. A chrooted daemon's root is `network_root`: master links into it the sockets
// named in `network_services` and nothing else, so the same relative paths work there.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace postrider::protocol {

// Services of master.cf live in public/ (field `private` is n) or private/ under their name.
inline std::string public_service(std::string_view name) { return "public/" + std::string(name); }
inline std::string private_service(std::string_view name) { return "private/" + std::string(name); }

// qmgr's own socket: cleanup announces messages, tools send commands. Bound by qmgr itself, since a
// Postfix master.cf has only the trigger in public/qmgr.
inline constexpr std::string_view qmgr_intake = "private/qmgr-intake";

// pickup's own socket, for every user of the machine: small submissions (lib/queue/maildrop.h). In a
// directory that anybody may enter, as public/ is not.
inline constexpr std::string_view pickup_intake = "submit/pickup";

// Below the queue directory: the empty root of daemons that talk to strangers.
inline constexpr std::string_view network_root = "net";
// What exists in there. cleanup is public in Postfix's master.cf, the others private.
inline constexpr std::array<std::string_view, 7> network_services = {
    "public/cleanup", "private/rewrite",      "private/auth",        "private/keys",
    "private/anvil",  "private/pop3-session", "private/imap-session"};

}  // namespace postrider::protocol
