#include "lib/queue/layout.h"

#include <fmt/core.h>

#include "lib/base/text.h"

namespace postrider::queue {

std::string SegmentName::text() const { return fmt::format("seg.{:02}.{:016x}", slot, serial); }

std::optional<SegmentName> SegmentName::parse(std::string_view text) {
  if (text.size() != 23 || !text.starts_with("seg.") || text[6] != '.') return std::nullopt;
  const auto slot = parse_number<unsigned>(text.substr(4, 2));
  const auto serial = parse_number<std::uint64_t>(text.substr(7), 16);
  if (!slot || !serial || *slot >= slot_count) return std::nullopt;
  const SegmentName name{*serial, static_cast<std::uint8_t>(*slot)};
  if (name.text() != text) return std::nullopt;  // one name per segment
  return name;
}

std::string_view shelf_name(Shelf shelf) {
  switch (shelf) {
    case Shelf::deferred: return "deferred";
    case Shelf::hold: return "hold";
    case Shelf::corrupt: break;
  }
  return "corrupt";
}

std::string Layout::slot(unsigned slot) const { return fmt::format("{}/slot.{:02}", incoming(), slot); }

std::string Layout::shelf_directory(Shelf which, QueueId id) const {
  std::string path = shelf(which);
  if (which == Shelf::deferred) {
    path += '/';
    path += id.shelf_letter();
  }
  return path;
}

std::string Layout::spilled(Shelf shelf, QueueId id) const {
  return shelf_directory(shelf, id) + "/" + id.text();
}

Result<> create_queue_directories(os::Files& files, const Layout& layout) {
  const std::string root = layout.root();
  for (const auto& directory : {layout.incoming(), layout.pool(), layout.active(), root + "/deferred",
                                root + "/hold", root + "/corrupt"})
    if (auto made = os::make_directories(files, directory, 0700); !made) return made;
  for (const char letter : std::string_view("0123456789ABCDEF"))
    if (auto made = os::make_directories(files, root + "/deferred/" + letter, 0700); !made) return made;
  // Whoever made them may have been killed before this.
  for (const auto& directory : {root, layout.incoming(), root + "/deferred"})
    if (auto synced = files.sync_directory(directory); !synced) return synced;
  return {};
}

}  // namespace postrider::queue
