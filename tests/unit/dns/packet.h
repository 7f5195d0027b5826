// DNS packets put together by hand, and a server on loopback that answers with them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/address/ip.h"
#include "lib/event/scope.h"
#include "lib/event/watch.h"
#include "lib/os/fd.h"

namespace postrider::dns::test {

std::string u16(unsigned value);
std::string u32(unsigned value);
// "mail.example.org" as labels.
std::string wire_name(std::string_view name);
// A record of class IN at `owner` (wire form, pointers allowed).
std::string record(const std::string& owner, unsigned type, const std::string& data, unsigned ttl = 300);
std::string a(std::string_view owner, std::string_view ip, unsigned ttl = 300);
std::string mx(std::string_view owner, unsigned preference, std::string_view host);
std::string named(std::string_view owner, unsigned type, std::string_view host);  // PTR, CNAME
// A whole response to the question.
std::string response(std::string_view name, unsigned type, const std::vector<std::string>& answers,
                     unsigned rcode = 0);

// Answers on a port of its own; what is not in `answers` does not exist. Lives within the loop's thread.
class Server {
 public:
  explicit Server(event::Loop& loop);
  ~Server();
  std::string forwarder() const;  // "127.0.0.1@port"

  struct Reply {
    std::vector<std::string> answers;
    unsigned rcode = 0;
    bool silent = false;
  };
  std::map<std::string, Reply> replies;  // by "name type": "example.org 15"
  int asked = 0;

 private:
  event::Task<> serve();
  event::Loop& loop_;
  os::Fd socket_;
  unsigned port_ = 0;
  event::StopSource stop_;
  event::TaskScope scope_;
};

}  // namespace postrider::dns::test
