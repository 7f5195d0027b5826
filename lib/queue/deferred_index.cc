#include "lib/queue/deferred_index.h"

#include <algorithm>

namespace postrider::queue {

namespace {

std::uint32_t seconds_of(WallTime time) {
  const auto seconds = std::chrono::floor<Seconds>(time).time_since_epoch().count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, UINT32_MAX));
}

constexpr auto later = [](const auto& a, const auto& b) { return a.due > b.due; };

}  // namespace

void DeferredIndex::add(QueueId id, WallTime next_attempt) {
  heap_.push_back({id.value(), seconds_of(next_attempt)});
  std::ranges::push_heap(heap_, later);
}

void DeferredIndex::absorb(const DeferredIndex& other) {
  for (const Entry& entry : other.heap_) {
    heap_.push_back(entry);
    std::ranges::push_heap(heap_, later);
  }
}

std::optional<QueueId> DeferredIndex::take_due(WallTime now) {
  if (heap_.empty() || heap_.front().due > seconds_of(now)) return std::nullopt;
  std::ranges::pop_heap(heap_, later);
  const std::uint64_t id = heap_.back().id;
  heap_.pop_back();
  if (heap_.capacity() > 1024 && heap_.size() < heap_.capacity() / 4) heap_.shrink_to_fit();
  return QueueId::from_value(id);
}

std::optional<WallTime> DeferredIndex::next_due() const {
  if (heap_.empty()) return std::nullopt;
  return WallTime(Seconds(heap_.front().due));
}

void DeferredIndex::clamp(WallTime latest) {
  for (Entry& entry : heap_) entry.due = std::min(entry.due, seconds_of(latest));
  std::ranges::make_heap(heap_, later);
}

void DeferredIndex::make_all_due() {
  for (Entry& entry : heap_) entry.due = 0;  // all equal: any order is a heap
}

Result<bool> DeferredScan::step(DeferredIndex& index, std::size_t budget) {
  for (; budget > 0; --budget) {
    while (names_.empty()) {
      if (todo_.empty()) return false;
      const char letter = todo_.front();
      todo_.erase(0, 1);
      const std::string directory = layout_.shelf(Shelf::deferred) + "/" + letter;
      auto listed = files_.list(directory, [&](std::string_view name) {
        if (const auto id = QueueId::parse(name)) names_.push_back(*id);
        return true;
      });
      if (!listed && !listed.error().is(Trouble::not_found)) {
        names_.clear();
        failed_ += letter;
        return fail(listed.error());
      }
    }
    const QueueId id = names_.back();
    names_.pop_back();
    const auto status = files_.lstat(layout_.spilled(Shelf::deferred, id));
    if (!status && status.error().is(Trouble::not_found)) continue;  // delivered meanwhile
    // A time that cannot be read is looked at when the message is.
    index.add(id, status ? std::min(status->modified, latest_) : WallTime{});
    ++found_;
  }
  return true;
}

}  // namespace postrider::queue
