// What the load generators stand on: one epoll loop and links whose dialogues are coroutines. Leaner than
// lib/event and lib/io on purpose: a generator shares the machine with what it measures, and serves peers
// that we start ourselves, so there are no deadlines but the one of the whole run.
#pragma once

#include <array>
#include <coroutine>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace postrider::bench {

// A peer that refused, left or spoke nonsense; ends the dialogue, is counted by who began it.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A dialogue that runs by itself from its first line; it catches its own Failures.
struct Dialogue {
  struct promise_type {
    Dialogue get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception();  // says what it was and ends the program
  };
};

class Link;

class Loop {
 public:
  explicit Loop(double seconds);  // the run ends with an error when it is not over by then
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void run();  // until stop()
  void stop() { running_ = false; }

 private:
  friend class Link;
  void watch(Link& link) const;

  int epoll_;
  double deadline_;
  bool running_ = true;
  std::array<char, 65536> block_{};  // what the link at hand reads into
};

// One TCP connection, in plain text or TLS, or a listener. Lives in the frame of its dialogue; only that
// awaits it. What was written leaves when the dialogue waits, so replies to a group leave together.
class Link {
 public:
  explicit Link(Loop& loop) : loop_(loop) {}
  Link(Loop& loop, int socket, bool listening);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  enum class Until : std::uint8_t { connected, client, reply, line, data_end, handshake, closed };
  struct Wait {
    Link& link;
    Until until;
    std::string_view code = {};
    bool await_ready() const { return link.arrived(until); }
    void await_suspend(std::coroutine_handle<> who) const { link.suspend(until, who); }
    // The last line of the reply, the line, the content: valid until the next await. Throws Failure.
    std::string_view await_resume() const { return link.take(until, code); }
  };

  Wait connect(std::uint16_t port, unsigned source = 1);  // to 127.0.0.1, from 127.0.0.<source>
  void write(std::string_view bytes) { out_.append(bytes); }
  Wait reply(std::string_view code) { return {*this, Until::reply, code}; }  // of SMTP; another is a Failure
  Wait line(std::string_view start = {}) { return {*this, Until::line, start}; }
  Wait data_end() {
    return {*this, Until::data_end};
  }  // all up to <CRLF>.<CRLF>, of which the dot is dropped
  Wait start_tls(ssl_ctx_st* context);  // as the client
  Wait closed() { return {*this, Until::closed}; }
  Wait client() { return {*this, Until::client}; }  // of a listener: then take_client()
  int take_client() { return client_; }

 private:
  friend class Loop;
  void ready();
  void read_all();
  void flush();
  bool arrived(Until until);
  bool shaken();
  void suspend(Until until, std::coroutine_handle<> who);
  std::string_view take(Until until, std::string_view code);

  Loop& loop_;
  int fd_ = -1;
  int client_ = -1;
  ssl_st* ssl_ = nullptr;
  bool listening_ = false, connected_ = false, closed_ = false, shaken_ = false;
  std::string in_, out_;
  std::size_t used_ = 0;    // bytes of in_ that were taken
  std::size_t looked_ = 0;  // how far in_ was searched for the end of the content
  std::size_t length_ = 0;  // of what arrived()
  std::coroutine_handle<> waiting_;
  Until until_ = Until::connected;
};

double now();  // monotonic, in seconds
int listen_on(std::uint16_t port);

}  // namespace postrider::bench
