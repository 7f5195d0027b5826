// A small pool of threads for calls that block (fdatasync, crypt, databases). The job runs on a
// thread, its awaiting coroutine goes on in the loop. Jobs share nothing with the loop but what they
// were given. The destructor waits for running jobs.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "lib/event/loop.h"
#include "lib/event/watch.h"
#include "lib/os/fd.h"

namespace postrider::event {

class Workers {
 public:
  Workers(Loop& loop, std::size_t threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Runs `job` on a thread and returns when it ended. The job must not throw. The caller's frame must
  // not be destroyed before that: a pool is destroyed before the tasks that use it.
  Task<> run(std::function<void()> job);

  // Jobs waiting for a thread; callers bound their own demand by it.
  std::size_t backlog() const;

 private:
  struct Job {
    std::function<void()> work;
    Wait* waiter;
  };
  void serve();
  Task<> collect();

  Loop& loop_;
  os::Fd notice_;  // eventfd
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Job> waiting_;
  std::vector<Wait*> finished_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
  std::unique_ptr<Watch> watch_;
  Task<> collector_;
};

}  // namespace postrider::event
