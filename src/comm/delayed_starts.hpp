// The messages that are held back by set_message_delay, in the order in which they were asked for; for comm/ only.
#pragma once

#include <chrono>
#include <deque>
#include <functional>

namespace longspan {

class DelayedStarts {
 public:
  static DelayedStarts& instance();

  void add(std::function<void()> start);
  void start_due();
  bool empty() const { return held_.empty(); }
  // Returns when all are started and a message that was asked for now would be due.
  void catch_up();

 private:
  using Clock = std::chrono::steady_clock;
  struct Held {
    Clock::time_point due;
    std::function<void()> start;
  };
  std::deque<Held> held_;
};

}  // namespace longspan
