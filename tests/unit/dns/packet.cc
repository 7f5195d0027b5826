#include "tests/unit/dns/packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/base/text.h"

namespace postrider::dns::test {

std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}
std::string u32(unsigned value) { return u16(value >> 16) + u16(value & 0xffff); }

std::string wire_name(std::string_view name) {
  std::string out;
  if (!name.empty())
    for (const std::string_view label : split(name, '.')) {
      out += static_cast<char>(label.size());
      out += label;
    }
  return out + '\0';
}

std::string record(const std::string& owner, unsigned type, const std::string& data, unsigned ttl) {
  return owner + u16(type) + u16(1) + u32(ttl) + u16(static_cast<unsigned>(data.size())) + data;
}

std::string a(std::string_view owner, std::string_view ip, unsigned ttl) {
  const auto address = address::IpAddress::parse(ip);
  if (!address) std::abort();
  return record(wire_name(owner), address->is_v4() ? 1 : 28,
                std::string(address->bytes().begin(), address->bytes().end()), ttl);
}

std::string mx(std::string_view owner, unsigned preference, std::string_view host) {
  return record(wire_name(owner), 15, u16(preference) + wire_name(host));
}

std::string named(std::string_view owner, unsigned type, std::string_view host) {
  return record(wire_name(owner), type, wire_name(host));
}

std::string response(std::string_view name, unsigned type, const std::vector<std::string>& answers,
                     unsigned rcode) {
  std::string out = u16(0x1234) + u16(0x8180 | rcode) + u16(1) + u16(static_cast<unsigned>(answers.size())) +
                    u16(0) + u16(0) + wire_name(name) + u16(type) + u16(1);
  for (const std::string& one : answers) out += one;
  return out;
}

Server::Server(event::Loop& loop) : loop_(loop), scope_(loop) {
  socket_ = os::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof where;
  auto* generic = reinterpret_cast<sockaddr*>(&where);
  if (::bind(socket_.get(), generic, length) != 0 || ::getsockname(socket_.get(), generic, &length) != 0)
    std::abort();
  port_ = ntohs(where.sin_port);
  scope_.spawn(serve());
}

Server::~Server() {
  stop_.stop();
  loop_.run_until_done(scope_.join());
}

std::string Server::forwarder() const { return "127.0.0.1@" + std::to_string(port_); }

event::Task<> Server::serve() {
  event::Watch watch(loop_, socket_.get());
  while (!stop_.stopped()) {
    char packet[1500];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t size =
        ::recvfrom(socket_.get(), packet, sizeof packet, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (size < 0) {
      co_await watch.readable(no_deadline, stop_.token());
      continue;
    }
    ++asked;
    // The question's name, and the place behind it.
    std::string name;
    std::size_t at = 12;
    while (packet[at] != 0) {
      if (!name.empty()) name += '.';
      name += lower(std::string(packet + at + 1, static_cast<std::size_t>(packet[at])));
      at += static_cast<std::size_t>(packet[at]) + 1;
    }
    const unsigned type = static_cast<unsigned>(static_cast<unsigned char>(packet[at + 1])) << 8 |
                          static_cast<unsigned char>(packet[at + 2]);
    const auto found = replies.find(name + " " + std::to_string(type));
    Reply reply;
    if (found != replies.end())
      reply = found->second;
    else
      reply.rcode = 3;
    if (reply.silent) continue;
    std::string out = response(name, type, reply.answers, reply.rcode);
    out[0] = packet[0];
    out[1] = packet[1];
    // Its own spelling of the name, which resolvers compare.
    for (std::size_t i = 12; i < at; ++i) out[i] = packet[i];
    static_cast<void>(
        ::sendto(socket_.get(), out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), length));
  }
}

}  // namespace postrider::dns::test
