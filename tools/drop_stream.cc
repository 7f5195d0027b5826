#include "tools/drop_stream.h"

#include <cerrno>
#include <span>

#include "lib/queue/bytes.h"

namespace postrider::tools {

namespace {

std::unexpected<Error> ended() { return fail(Trouble::permanent, "submission is incomplete"); }

Result<> read_fully(os::Files& files, int fd, std::span<char> into) {
  for (std::size_t have = 0; have < into.size();) {
    const auto got = files.read(fd, into.subspan(have));
    if (!got) return fail(got.error());
    if (*got == 0) return ended();
    have += *got;
  }
  return {};
}

Result<std::uint32_t> read_length(os::Files& files, int fd) {
  char bytes[4];
  if (const Result<> read = read_fully(files, fd, bytes); !read) return fail(read.error());
  return queue::get<std::uint32_t>(std::string_view(bytes, sizeof bytes), 0);
}

}  // namespace

Result<queue::Envelope> read_drop_envelope(os::Files& files, int fd) {
  const auto length = read_length(files, fd);
  if (!length) return fail(length.error());
  if (*length > queue::max_envelope_bytes) return fail(Trouble::permanent, "submission is malformed");
  std::string bytes;
  // In steps, so that memory follows what is sent and not what is announced.
  while (bytes.size() < *length) {
    const std::size_t have = bytes.size();
    bytes.resize(std::min<std::size_t>(*length, have + queue::max_drop_piece));
    if (const Result<> read = read_fully(files, fd, std::span(bytes).subspan(have)); !read)
      return fail(read.error());
  }
  return queue::decode_envelope(bytes);
}

Result<> copy_drop_content(os::Files& files, int fd, queue::MaildropWriter& into, const DropLimits& limits) {
  std::string piece;
  for (std::uint64_t total = 0;;) {
    const auto length = read_length(files, fd);
    if (!length) return fail(length.error());
    if (*length == 0) return {};
    if (*length > queue::max_drop_piece) return fail(Trouble::permanent, "submission is malformed");
    total += *length;
    if (limits.content_bytes != 0 && total > limits.content_bytes)
      return fail(Trouble::permanent, "message file too big", EFBIG);
    piece.resize(*length);
    if (const Result<> read = read_fully(files, fd, piece); !read) return read;
    if (const Result<> written = into.append(piece); !written) return written;
  }
}

}  // namespace postrider::tools
