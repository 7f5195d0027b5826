// One TLS connection without any I/O: cipher bytes go in and come out through strings, a private-key
// operation that another process must perform is reported and waited for by the caller.
//
// Used by io::Stream after start_tls. The driver's loop: call a step function; write whatever
// take_output() gives (also after `failed`: it is an alert); on want_input read from the socket and
// feed(); on want_key have sign_request() answered and call answer_key(); call the step again.
// Bytes that arrived in clear before the first feed() must be dropped by the caller, never fed.
// Single-threaded; an Engine stays on the thread that made it. Everything fed is a stranger's.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/tls/info.h"
#include "lib/tls/sign_request.h"

namespace postrider::tls {

enum class Step {
  done,        // the operation is complete
  want_input,  // feed() more and call the same function again
  want_key,    // handshake() only: see sign_request(), then answer_key(), then handshake()
  closed,      // the peer ended the TLS session properly (close_notify); a bare end of the TCP
               // stream is not reported here, the caller sees it and knows it is a truncation
  failed,      // see error(); only take_output() makes sense from here on
};

class Engine {
 public:
  // Made by ServerContext::accept() and ClientContext::connect().
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  Engine(Engine&& other) noexcept;
  Engine& operator=(Engine&& other) noexcept;
  // Abandons a pending private-key operation; sends nothing.
  ~Engine();

  // Cipher bytes from the peer, copied. The caller limits each call (16 KiB is a record) and takes
  // the plain bytes out before feeding more: what is fed and not read is kept.
  void feed(std::string_view cipher);

  // Cipher bytes for the peer, in order, and the Engine's buffer is empty after it.
  bool has_output() const;
  std::string take_output();

  // To be repeated until done. Nothing but handshake data is accepted or sent before that.
  Step handshake();
  bool established() const;

  // Up to into.size() plain bytes (> 0). `done` with size > 0, or want_input, closed, failed with 0.
  Step read_plain(std::span<char> into, std::size_t& size);

  // Encrypts all of it into the output, about 30 bytes more per 16 KiB. The caller limits how much
  // output may pile up. `done` or `failed`.
  Step write_plain(std::string_view bytes);

  // Puts a close_notify into the output, once. The peer's is not waited for. `done` or `failed`.
  Step shutdown();

  // Valid from want_key until answer_key(). An error as answer makes the handshake fail with it.
  const SignRequest& sign_request() const;
  void answer_key(Result<std::string> signature);

  // Why the last step failed: peer (it broke the protocol or refused us), temporary (the key could not
  // be used), configuration. The text names OpenSSL's reason, safe for a log line.
  const Error& error() const;

  // What was agreed; for logs, Received: and policies. Meaningful once established.
  Info info() const;
  // The server name the client asked for (SNI), lower-case, at most 255 bytes; "" if none. Server side,
  // from the first handshake step that saw a ClientHello.
  const std::string& server_name() const;
  // The RFC 9266 / 5929 channel binding of the connection: tls-exporter for TLS 1.3, else
  // tls-unique; "" when there is none. For SCRAM-*-PLUS.
  std::string channel_binding() const;

  // Client side: the session to hand to ClientTarget::session next time, or "" when the server gave
  // none (yet: TLS 1.3 servers send it after the handshake). Secret; at most 16 KiB.
  std::string session() const;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace postrider::tls
