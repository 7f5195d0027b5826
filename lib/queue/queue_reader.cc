#include "lib/queue/queue_reader.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <span>

#include <fmt/core.h>

#include "lib/base/crc32c.h"
#include "lib/queue/bytes.h"
#include "lib/queue/content_buffer.h"
#include "lib/queue/file_bytes.h"
#include "lib/queue/segment.h"
#include "lib/queue/segment_scan.h"

namespace postrider::queue {

namespace {
constexpr std::size_t cached_segments = 32;
constexpr std::size_t first_read_bytes = 16U << 10;  // most records in one call

std::string place_text(Place place) { return fmt::format("{} at {}", place.segment.text(), place.offset); }
}  // namespace

struct QueueReader::Open {
  SegmentName name;
  os::Fd fd;
  SegmentHeader header;
};

struct QueueReader::Record {
  RecordHeader header;
  std::string bytes;  // from the record's first byte

  std::string_view envelope() const {
    return std::string_view(bytes).substr(record_header_bytes, header.envelope_bytes);
  }
  std::string_view content() const {
    return std::string_view(bytes).substr(record_header_bytes + header.envelope_bytes,
                                          static_cast<std::size_t>(header.inline_bytes()));
  }
};

QueueReader::QueueReader(os::Files& files, Layout layout) : files_(files), layout_(std::move(layout)) {}
QueueReader::~QueueReader() = default;

Result<QueueReader::Open*> QueueReader::open_segment(SegmentName name) {
  const auto cached = std::ranges::find_if(cache_, [&](const auto& open) { return open->name == name; });
  if (cached != cache_.end()) {
    std::rotate(cache_.begin(), cached, cached + 1);  // the latest used first
    return cache_.front().get();
  }
  auto fd = files_.open(layout_.segment(name), O_RDONLY | O_NOFOLLOW);
  if (!fd) return fail(fd.error());
  const auto start = read_exactly(files_, fd->get(), 0, 64);
  if (!start) return fail(start.error());
  auto header = decode_segment_header(*start);
  if (!header) return fail(header.error().within(name.text()));
  const auto status = files_.fstat(fd->get());
  if (!status) return fail(status.error());
  header->bytes = std::min(header->bytes, status->size);  // somebody may have cut it off
  if (header->name.serial == 0) return fail(Trouble::not_found, name.text() + ": free");
  if (header->name != name) return fail(Trouble::permanent, name.text() + ": holds " + header->name.text());
  if (cache_.size() == cached_segments) cache_.pop_back();
  cache_.insert(cache_.begin(), std::make_unique<Open>(Open{name, std::move(*fd), *header}));
  return cache_.front().get();
}

void QueueReader::forget(SegmentName name) {
  std::erase_if(cache_, [&](const auto& open) { return open->name == name; });
}

Result<QueueReader::Record> QueueReader::read_record(Place place) {
  const auto segment = open_segment(place.segment);
  if (!segment) return fail(segment.error());
  const Open& open = **segment;
  if (place.offset < page_bytes || place.offset % 8 != 0 ||
      place.offset + record_header_bytes > open.header.bytes)
    return fail(Trouble::not_found, place_text(place) + ": no record");
  const std::uint64_t left = open.header.bytes - place.offset;
  auto bytes = read_exactly(files_, open.fd.get(), place.offset,
                            static_cast<std::size_t>(std::min<std::uint64_t>(left, first_read_bytes)));
  if (!bytes) return fail(bytes.error());
  const auto header = decode_record_header(*bytes, open.header, place.offset);
  if (!header) return fail(Trouble::not_found, place_text(place) + ": no record");
  const auto length = static_cast<std::size_t>(header->record_bytes());
  if (length > bytes->size()) {
    const auto rest =
        read_exactly(files_, open.fd.get(), place.offset + bytes->size(), length - bytes->size());
    if (!rest) return fail(rest.error());
    *bytes += *rest;
  }
  Record record{*header, std::move(*bytes)};
  if (crc32c(record.envelope()) != header->envelope_checksum)
    return fail(Trouble::permanent, fmt::format("{}: {}: envelope damaged", header->id, place_text(place)));
  if (!header->in_content_file && crc32c(record.content()) != header->content_checksum)
    return fail(Trouble::permanent, fmt::format("{}: {}: content damaged", header->id, place_text(place)));
  return record;
}

Result<Envelope> QueueReader::read_envelope(Place place) {
  const auto record = read_record(place);
  if (!record) return fail(record.error());
  auto envelope = decode_envelope(record->envelope());
  if (envelope && envelope->id != record->header.id)
    return fail(Trouble::permanent,
                fmt::format("{}: the envelope is of {}", record->header.id, envelope->id));
  return envelope;
}

Result<Message> QueueReader::read(Place place) {
  const auto record = read_record(place);
  if (!record) return fail(record.error());
  auto envelope = decode_envelope(record->envelope());
  if (!envelope) return fail(envelope.error());
  const RecordHeader& header = record->header;
  if (envelope->id != header.id)
    return fail(Trouble::permanent, fmt::format("{}: the envelope is of {}", header.id, envelope->id));
  Message message;
  message.envelope = std::move(*envelope);
  message.content.length = header.content_bytes;
  message.content_checksum = header.content_checksum;
  message.in_content_file = header.in_content_file;
  if (!header.in_content_file) {
    message.content.bytes = record->content();
    if (message.content.length > Content::most_in_memory)
      if (const Result<> filed = message.content.into_file(header.id.text()); !filed)
        return fail(filed.error());
    return message;
  }
  const std::string path = layout_.content(header.id);
  auto fd = files_.open(path, O_RDONLY | O_NOFOLLOW);
  if (!fd) {
    if (fd.error().is(Trouble::not_found))
      return fail(Trouble::permanent, fmt::format("{}: its content file is missing", header.id));
    return fail(fd.error());
  }
  const auto status = files_.fstat(fd->get());
  if (!status) return fail(status.error());
  // The page before the content is always there, and more may follow while it is being spilled.
  if (status->size < content_offset || status->size - content_offset < header.content_bytes)
    return fail(Trouble::permanent, fmt::format("{}: its content file is cut off", header.id));
  message.content.fd = std::move(*fd);
  message.content.offset = content_offset;
  return message;
}

Result<std::vector<SegmentName>> QueueReader::segments() {
  std::vector<SegmentName> names;
  auto listed = files_.list(layout_.incoming(), [&](std::string_view name) {
    if (const auto segment = SegmentName::parse(name)) names.push_back(*segment);
    return true;
  });
  if (!listed) return fail(listed.error());
  std::ranges::sort(names);  // by serial, that is by the time they were begun
  return names;
}

bool slot_in_use(os::Files& files, const Layout& layout, unsigned slot) {
  const auto fd = files.open(layout.slot(slot), O_RDONLY | O_NOFOLLOW);
  if (!fd) return !fd.error().is(Trouble::not_found);
  const auto locked = files.try_lock(fd->get(), false);
  return !locked || !*locked;
}

bool QueueReader::slot_in_use(unsigned slot) { return queue::slot_in_use(files_, layout_, slot); }

Result<SegmentScan> QueueReader::scan(SegmentName name, std::uint32_t from) {
  const auto open = open_segment(name);
  if (!open) return fail(open.error());
  os::Fd fd = (*open)->fd.duplicate();
  if (!fd) return fail(Trouble::temporary, "no descriptor left to scan " + name.text(), EMFILE);
  return SegmentScan(std::make_unique<SegmentScan::State>(files_, std::move(fd), (*open)->header,
                                                          std::max(round_up(from, 8), page_bytes)));
}

}  // namespace postrider::queue
