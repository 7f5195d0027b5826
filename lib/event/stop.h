// Cooperative cancellation: a StopSource is told once, every operation that was given its token ends
// with a stop. The source outlives its tokens. Single-threaded.
#pragma once

namespace postrider::event {

class StopSource;

// Something to call when the stop comes; unlinks itself when destroyed. `notify` runs inside
// StopSource::stop() and may destroy this object or others.
class StopHook {
 public:
  StopHook() = default;
  StopHook(const StopHook&) = delete;
  StopHook& operator=(const StopHook&) = delete;
  virtual ~StopHook() { unlink(); }
  virtual void notify() = 0;
  void unlink();

 private:
  friend class StopSource;
  friend class StopToken;
  StopHook* next_ = nullptr;
  StopHook** back_ = nullptr;  // the pointer that points here; null when not linked
};

class StopToken {
 public:
  StopToken() = default;  // never stops
  explicit StopToken(StopSource* source) : source_(source) {}
  bool stopped() const;
  // Links the hook; must not be called when stopped() already.
  void attach(StopHook& hook) const;

 private:
  StopSource* source_ = nullptr;
};

class StopSource {
 public:
  StopSource() = default;
  StopSource(const StopSource&) = delete;
  StopSource& operator=(const StopSource&) = delete;
  StopToken token() { return StopToken(this); }
  bool stopped() const { return stopped_; }
  void stop();  // idempotent

 private:
  friend class StopToken;
  StopHook* hooks_ = nullptr;
  bool stopped_ = false;
};

inline void StopHook::unlink() {
  if (!back_) return;
  *back_ = next_;
  if (next_) next_->back_ = back_;
  back_ = nullptr;
  next_ = nullptr;
}

inline bool StopToken::stopped() const { return source_ && source_->stopped_; }

inline void StopToken::attach(StopHook& hook) const {
  if (!source_) return;
  hook.next_ = source_->hooks_;
  if (hook.next_) hook.next_->back_ = &hook.next_;
  hook.back_ = &source_->hooks_;
  source_->hooks_ = &hook;
}

inline void StopSource::stop() {
  stopped_ = true;
  while (hooks_) {
    StopHook* hook = hooks_;
    hook->unlink();
    hook->notify();
  }
}

}  // namespace postrider::event
