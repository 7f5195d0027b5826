// The modes of bench/load: each runs to its end and prints one line of JSON.
#pragma once

#include "bench/options.h"

namespace postrider::bench {

// Messages to an SMTP server, one session each. port, messages, sessions, bytes, recipients, to, from.
// `to` with a % gets the recipient's number in its place.
void send_messages(const Options& options);
// An SMTP server that forgets what it takes, until standard input ends. port.
void sink_messages(const Options& options);
// Connections that say EHLO (and STARTTLS with tls=1) and then nothing, until standard input ends.
// port, connections, at_once (how many arrive together), addresses (how many they come from), tls.
void hold_connections(const Options& options);
// New TLS sessions by STARTTLS, none resumed. port, handshakes, sessions.
void shake_hands(const Options& options);
// POP3 sessions that fetch every message. port, sessions, clients, user (with a %), password, ahead (commands
// that are sent before the answer to the last).
void fetch_mail(const Options& options);

}  // namespace postrider::bench
