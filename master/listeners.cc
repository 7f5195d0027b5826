#include "master/listeners.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/core.h>

#include "lib/protocol/services.h"

namespace postrider::master {
namespace {

bool is_readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

bool is_for_network_daemons(const std::string& path) {
  return std::ranges::find(protocol::network_services, path) != protocol::network_services.end();
}

bool contains(const std::vector<SocketPlan>& plan, const SocketPlan& wanted) {
  return std::ranges::any_of(plan, [&](const SocketPlan& one) { return one.same_as(wanted); });
}

std::string network_path(const std::string& path) {
  return fmt::format("{}/{}", protocol::network_root, path);
}

}  // namespace

std::vector<Listeners::Listener> Listeners::release_unplanned(const std::vector<SocketPlan>& plan) {
  std::vector<Listener> released;
  for (Listener& listener : open_) {
    if (!contains(plan, listener.plan)) released.push_back(std::move(listener));
  }
  std::erase_if(open_, [](const Listener& listener) { return !listener.fd; });
  return released;
}

void Listeners::adopt(std::vector<Listener>& offered, const std::vector<SocketPlan>& plan) {
  for (Listener& listener : offered) {
    if (listener.fd && contains(plan, listener.plan)) open_.push_back(std::move(listener));
  }
  std::erase_if(offered, [](const Listener& listener) { return !listener.fd; });
}

void Listeners::close(os::Files& files, std::vector<Listener> unwanted) {
  for (Listener& listener : unwanted) {
    listener.fd.reset();
    if (listener.plan.kind == SocketPlan::Kind::inet) continue;
    (void)files.unlink(listener.plan.where.host);
    if (is_for_network_daemons(listener.plan.where.host)) {
      (void)files.unlink(network_path(listener.plan.where.host));
    }
  }
}

Result<> Listeners::open_missing(const std::vector<SocketPlan>& plan) {
  Result<> result;
  std::vector<Listener> ordered;
  for (const SocketPlan& wanted : plan) {
    const auto found =
        std::ranges::find_if(open_, [&](const Listener& one) { return one.plan.same_as(wanted); });
    if (found != open_.end()) {
      ordered.push_back({wanted, std::move(found->fd)});
      continue;
    }
    auto opened = open(wanted);
    if (opened) {
      ordered.push_back({wanted, std::move(*opened)});
      continue;
    }
    const int why = opened.error().os_error();
    if (!wanted.needed && (why == EADDRNOTAVAIL || why == EAFNOSUPPORT)) {
      log_.debug("not listening on {}: {}", wanted.text(), opened.error().text());
    } else if (result) {
      result = fail(opened.error());
    }
  }
  if (result && ordered.empty() && !plan.empty()) {
    result = fail(Trouble::configuration,
                  fmt::format("this machine has no address to listen on for {}", plan.front().text()));
  }
  open_ = std::move(ordered);
  return result;
}

Result<os::Fd> Listeners::open(const SocketPlan& plan) {
  Result<os::Fd> fd;
  switch (plan.kind) {
    case SocketPlan::Kind::inet: return os::listen_inet(plan.where);
    case SocketPlan::Kind::fifo: return os::open_fifo(plan.where.host, plan.mode);
    case SocketPlan::Kind::unix_datagram: fd = os::receive_unix_datagrams(plan.where.host, plan.mode); break;
    case SocketPlan::Kind::unix_stream: fd = os::listen_unix(plan.where.host, plan.mode); break;
  }
  if (fd && is_for_network_daemons(plan.where.host)) {
    if (auto offered = offer_to_network_daemons(plan.where.host); !offered) return fail(offered.error());
  }
  return fd;
}

Result<> make_network_root(os::Files& files) {
  const std::string root(protocol::network_root);
  for (const std::string& directory : {root, root + "/public", root + "/private"}) {
    if (auto made = os::make_directories(files, directory, 0755); !made) return made;
    const auto fd = files.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) return fail(fd.error());
    // Whatever the umask: the daemons inside own nothing here and need to pass through.
    if (auto changed = files.chmod(fd->get(), 0755); !changed) return changed;
  }
  return {};
}

// A second name for the socket inside the root directory of daemons that see nothing else. Through a
// temporary name, so that a daemon never finds it missing.
Result<> Listeners::offer_to_network_daemons(const std::string& path) {
  const std::string there = network_path(path);
  const std::string temporary = there + ".new";
  (void)files_.unlink(temporary);
  if (auto linked = files_.link(path, temporary); !linked) return linked;
  return files_.rename(temporary, there);
}

std::vector<int> Listeners::descriptors() const {
  std::vector<int> numbers;
  for (const Listener& listener : open_) numbers.push_back(listener.fd.get());
  return numbers;
}

bool Listeners::has_demand() const {
  return std::ranges::any_of(open_, [](const Listener& one) { return is_readable(one.fd.get()); });
}

void Listeners::trigger(char byte) {
  for (const Listener& listener : open_) {
    // What waits there wakes the service as well; so a service that hangs cannot fill its queue with
    // wake-ups, and connecting never blocks.
    if (is_readable(listener.fd.get())) continue;
    const std::string_view bytes(&byte, 1);
    if (listener.plan.kind == SocketPlan::Kind::fifo) {
      (void)files_.write(listener.fd.get(), bytes);
    } else if (listener.plan.kind == SocketPlan::Kind::unix_stream) {
      const auto client = os::connect_unix(listener.plan.where.host);
      if (client) (void)files_.write(client->get(), bytes);
    }
  }
}

}  // namespace postrider::master
