// What keeps the journal small and durable, and the object's construction.
#include <algorithm>

#include "lib/config/master_cf.h"
#include "qmgr/queue_manager.h"

namespace postrider::qmgr {

namespace {

// An outcome that a power cut takes away repeats a delivery, so it need not be durable at once.
constexpr Milliseconds sync_interval{500};
constexpr Milliseconds recycle_interval{500};
constexpr std::size_t resolver_limit = 50;

}  // namespace

QueueManager::QueueManager(daemon::Daemon& daemon, const QmgrConfig& config, const config::Services& services)
    : daemon_(daemon),
      config_(config),
      services_(services),
      loop_(daemon.loop()),
      log_(daemon.log()),
      layout_(daemon.paths().queue_directory()),
      reader_(daemon.files(), layout_),
      store_(daemon.files(), layout_),
      admin_(daemon.files(), daemon.clock(), daemon.log(), layout_),
      scheduler_([this](const std::string& name) {
        const auto limit = process_limits_.find(name);
        Result<TransportSettings> settings =
            config_.transport(daemon_.values(), name, limit == process_limits_.end() ? 100 : limit->second);
        if (settings) return *settings;
        log_.warning("transport {}: {}; using the defaults", name, settings.error().text());
        return TransportSettings{};
      }),
      workers_(daemon.loop(), 4),
      resolvers_(daemon.loop(), resolver_limit),
      due_(daemon.loop()),
      dirty_(daemon.loop()),
      emptied_(daemon.loop()) {
  add_process_limits(daemon.values(), process_limits_);
}

QueueManager::~QueueManager() = default;

event::Task<> QueueManager::keep_journal_durable() {
  while (true) {
    const event::Woken woken = co_await dirty_.wait(no_deadline, daemon_.drain_token());
    // To the kernel at once for what this turn brought, to the disk now and then.
    co_await loop_.yield();
    if (const Result<> flushed = journal_->flush(); !flushed) log_.warning("{}", flushed.error().text());
    if (woken == event::Woken::stopped) break;
    co_await loop_.sleep(Milliseconds{5}, daemon_.drain_token());
  }
  Result<> synced;
  co_await workers_.run([&] { synced = journal_->sync(); });
  if (!synced) log_.warning("{}", synced.error().text());
}

event::Task<> QueueManager::recycle_segments() {
  MonoTime last_sync = loop_.now();
  while (!daemon_.draining()) {
    co_await loop_.sleep(recycle_interval, daemon_.drain_token());
    scheduler_.tidy(loop_.now());
    if (journal_->needs_sync() && loop_.now() - last_sync >= sync_interval) {
      Result<> synced;
      co_await workers_.run([&] { synced = journal_->sync(); });
      if (!synced) log_.warning("{}", synced.error().text());
      last_sync = loop_.now();
    }
    const Result<std::vector<queue::SegmentName>> idle = journal_->idle_segments();
    if (!idle) {
      log_.warning("{}", idle.error().text());
      continue;
    }
    for (const queue::SegmentName& name : *idle) {
      const auto troubled = troubled_.find(name);
      if (troubled == troubled_.end() || troubled->second <= loop_.now()) co_await recycle_segment(name);
    }
  }
}

event::Task<> QueueManager::recycle_segment(queue::SegmentName name) {
  // Messages that cleanup committed and could not announce before it died. What was not read to its end may
  // hold such messages, and is kept.
  Result<queue::SegmentScan> scan = co_await scan_segment(name);
  const bool is_void = !scan && scan.error().is(Trouble::not_found);
  if (daemon_.draining()) co_return;
  if (!scan && !is_void) {
    troubled_[name] = loop_.after(config_.transport_retry());
    co_return;
  }
  const Result<std::vector<queue::SegmentName>> still = journal_->idle_segments();
  if (!still || std::ranges::find(*still, name) == still->end()) co_return;
  reader_.forget(name);
  Result<> recycled;
  co_await workers_.run(
      [&] { recycled = is_void ? journal_->recycle_void(name) : journal_->recycle(*scan); });
  if (recycled || recycled.error().is(Trouble::not_found)) {
    journal_->forget(name);
    troubled_.erase(name);
    co_return;
  }
  log_.warning("{}: {}", name.text(), recycled.error().text());
  troubled_[name] = loop_.after(config_.transport_retry());
}

void add_process_limits(const config::Values& values, StringMap<unsigned>& limits) {
  const Result<config::MasterCf> master = config::MasterCf::read(values.config_directory() + "/master.cf");
  const Result<std::string> fallback = values.text("default_process_limit");
  const unsigned standard = fallback ? parse_number<unsigned>(*fallback).value_or(100) : 100;
  if (!master) return;
  for (const config::Service& service : master->services())
    limits[service.name] = service.process_limit ? static_cast<unsigned>(*service.process_limit) : standard;
}

}  // namespace postrider::qmgr
