#include "lib/ipc/trigger.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string_view>

#include "lib/os/fd.h"
#include "lib/os/files.h"
#include "lib/os/socket.h"

namespace postrider::ipc {

Result<> trigger(const std::string& path, char request) {
  os::Files& files = os::system_files();
  const auto status = files.stat(path);
  if (!status) return fail(status.error());
  if (status->kind == os::FileStatus::Kind::fifo) {
    const auto fd = files.open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW);
    if (!fd) return fail(fd.error());
    auto written = files.write(fd->get(), std::string_view(&request, 1));
    if (!written && written.error().os_error() == EAGAIN) return {};
    return written;
  }
  const auto socket = os::connect_unix(path);
  if (!socket) return fail(socket.error());
  if (::send(socket->get(), &request, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return fail_errno(path);
  return {};
}

}  // namespace postrider::ipc
