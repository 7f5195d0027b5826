// A few threads that share the indices of one job: for waiting on many fsyncs at once.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace postrider::mailbox {

class Workers {
 public:
  explicit Workers(unsigned threads);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Calls each(0) … each(count - 1), in any order and on any thread, the caller's included. Returns
  // when all have returned. One job at a time.
  void run(std::size_t count, const std::function<void(std::size_t)>& each);

 private:
  void serve();
  void take_part(std::unique_lock<std::mutex>& held);

  std::mutex mutex_;
  std::condition_variable more_, done_;
  const std::function<void(std::size_t)>* each_ = nullptr;
  std::size_t next_ = 0, count_ = 0, finished_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace postrider::mailbox
