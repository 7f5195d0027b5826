#include "lib/queue/maildrop.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"
#include "lib/queue/file_bytes.h"
#include "lib/queue/segment.h"

namespace postrider::queue {

namespace {

constexpr std::string_view drop_magic = "PRDROP1\n";
constexpr std::uint32_t drop_version = 1;
constexpr std::size_t drop_header_bytes = 40;

constexpr std::uint32_t submittable_flags = flag::verify | flag::record | flag::smtputf8 | flag::requiretls;

}  // namespace

Envelope only_submittable(Envelope envelope) {
  Envelope kept;
  kept.sender = std::move(envelope.sender);
  kept.flags = (envelope.flags & submittable_flags) | flag::local;
  kept.encoding = envelope.encoding;
  kept.dsn_return = envelope.dsn_return;
  kept.envid = std::move(envelope.envid);
  kept.full_name = std::move(envelope.full_name);
  kept.verp_delimiters = std::move(envelope.verp_delimiters);
  kept.rewrite_context = envelope.rewrite_context == "remote" ? "remote" : "";  // sendmail -G
  kept.recipients.reserve(envelope.recipients.size());
  for (Recipient& recipient : envelope.recipients) {
    Recipient& clean = kept.recipients.emplace_back();
    clean.address = std::move(recipient.address);
    clean.orcpt = std::move(recipient.orcpt);
    clean.notify = recipient.notify;
  }
  return kept;
}

Result<MaildropWriter> MaildropWriter::create(os::Files& files, const std::string& directory,
                                              const Envelope& envelope) {
  const auto encoded = encode(envelope);
  if (!encoded) return fail(encoded.error());
  const auto a = random_secret();
  if (!a) return fail(a.error());
  const auto b = random_secret();
  if (!b) return fail(b.error());
  MaildropWriter writer;
  writer.files_ = &files;
  writer.directory_ = directory;
  writer.name_ = fmt::format("m{:016x}{:016x}", *a, *b);
  writer.temporary_ = fmt::format("{}/t{}", directory, writer.name_.substr(1));
  auto fd = files.open(writer.temporary_, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!fd) return fail(fd.error());
  writer.fd_ = std::move(*fd);
  writer.envelope_bytes_ = encoded->size();
  writer.envelope_checksum_ = crc32c(*encoded);
  if (auto written = files.pwrite(writer.fd_.get(), *encoded, drop_header_bytes); !written)
    return fail(written.error());
  return writer;
}

MaildropWriter::MaildropWriter(MaildropWriter&& other) noexcept
    : files_(other.files_),
      fd_(std::move(other.fd_)),
      directory_(std::move(other.directory_)),
      temporary_(std::move(other.temporary_)),
      name_(std::move(other.name_)),
      envelope_bytes_(other.envelope_bytes_),
      content_bytes_(other.content_bytes_),
      envelope_checksum_(other.envelope_checksum_),
      content_checksum_(other.content_checksum_),
      done_(std::exchange(other.done_, true)) {}

MaildropWriter::~MaildropWriter() {
  if (fd_ && !done_) (void)files_->unlink(temporary_);
}

Result<> MaildropWriter::append(std::string_view content) {
  const std::uint64_t at = drop_header_bytes + envelope_bytes_ + content_bytes_;
  if (auto written = files_->pwrite(fd_.get(), content, at); !written) return written;
  content_bytes_ += content.size();
  content_checksum_ = crc32c(content, content_checksum_);
  return {};
}

Result<std::string> MaildropWriter::commit() {
  std::string header(drop_magic);
  put<std::uint32_t>(header, 0);
  put<std::uint32_t>(header, drop_version);
  put<std::uint64_t>(header, content_bytes_);
  put<std::uint32_t>(header, static_cast<std::uint32_t>(envelope_bytes_));
  put<std::uint32_t>(header, envelope_checksum_);
  put<std::uint32_t>(header, content_checksum_);
  header.resize(drop_header_bytes, '\0');
  put_at(header, 8, crc32c(std::string_view(header).substr(12)));
  auto done = files_->pwrite(fd_.get(), header, 0);
  // pickup runs as mail_owner; the directory keeps everybody else out.
  if (done) done = files_->chmod(fd_.get(), 0644);
  if (done) done = files_->fsync(fd_.get());
  if (done) done = files_->rename(temporary_, directory_ + "/" + name_);
  if (!done) return fail(done.error());
  done_ = true;
  // Without leave to open the directory (mode 1730, as Postfix has it) the file's own fsync has to
  // carry the rename along, as journaling file systems do.
  done = files_->sync_directory(directory_);
  if (!done && done.error().is(Trouble::access)) done = files_->fsync(fd_.get());
  if (!done) {
    (void)files_->unlink(directory_ + "/" + name_);
    return fail(done.error());
  }
  return name_;
}

std::string drop_piece(std::string_view bytes) {
  std::string piece;
  piece.reserve(bytes.size() + 4);
  put<std::uint32_t>(piece, static_cast<std::uint32_t>(bytes.size()));
  piece += bytes;
  return piece;
}

bool is_maildrop_name(std::string_view name) {
  return name.size() == 33 && name.front() == 'm' &&
         name.substr(1).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<Submission> read_submission(os::Files& files, const std::string& path, uid_t mail_owner) {
  // A stranger's FIFO or link must neither block nor lead elsewhere.
  auto fd = files.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) {
    if (fd.error().os_error() == ELOOP) return fail(Trouble::permanent, path + ": a symbolic link");
    return fail(fd.error());
  }
  const auto status = files.fstat(fd->get());
  if (!status) return fail(status.error());
  const auto refuse = [&](std::string_view why) {
    return fail(Trouble::permanent, fmt::format("{}: {}", path, why));
  };
  if (status->kind != os::FileStatus::Kind::regular) return refuse("not a regular file");
  if (status->links != 1) return refuse("has more than one name");
  if (status->size < drop_header_bytes) return refuse("cut off");
  const auto header = read_exactly(files, fd->get(), 0, drop_header_bytes);
  if (!header) return fail(header.error());
  if (!header->starts_with(drop_magic)) return refuse("not a submission");
  if (get<std::uint32_t>(*header, 8) != crc32c(std::string_view(*header).substr(12)))
    return refuse("header damaged");
  if (get<std::uint32_t>(*header, 12) != drop_version) return refuse("of an unknown version");
  const auto content_bytes = get<std::uint64_t>(*header, 16);
  const auto envelope_bytes = get<std::uint32_t>(*header, 24);
  const std::uint64_t left = status->size - drop_header_bytes;
  if (envelope_bytes > max_envelope_bytes || envelope_bytes > left || content_bytes != left - envelope_bytes)
    return refuse("lengths do not match");
  const auto encoded = read_exactly(files, fd->get(), drop_header_bytes, envelope_bytes);
  if (!encoded) return fail(encoded.error());
  if (get<std::uint32_t>(*header, 28) != crc32c(*encoded)) return refuse("envelope damaged");
  auto envelope = decode_envelope(*encoded);
  if (!envelope) return refuse(envelope.error().text());

  Submission submission;
  submission.content.offset = drop_header_bytes + envelope_bytes;
  submission.content.length = content_bytes;
  std::uint32_t checksum = 0;
  for (std::uint64_t done = 0; done < content_bytes;) {
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(256U << 10, content_bytes - done));
    const auto bytes = read_exactly(files, fd->get(), submission.content.offset + done, length);
    if (!bytes) return fail(bytes.error());
    checksum = crc32c(*bytes, checksum);
    done += length;
  }
  if (checksum != get<std::uint32_t>(*header, 32)) return refuse("content damaged");
  const bool requeued = status->uid == mail_owner && !envelope->orig_queue_id.empty();
  submission.envelope = requeued ? std::move(*envelope) : only_submittable(std::move(*envelope));
  submission.envelope.submitter_uid = status->uid;
  submission.content.fd = std::move(*fd);
  submission.arrival = status->modified;
  return submission;
}

}  // namespace postrider::queue
