#include "comm/delay.hpp"

#include <thread>
#include <utility>

#include "base/error.hpp"
#include "comm/delayed_starts.hpp"

namespace longspan {
namespace {

double delay_seconds = 0;

std::chrono::steady_clock::duration delay() {
  return std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(delay_seconds));
}

}  // namespace

void set_message_delay(double seconds) {
  LONGSPAN_CHECK(seconds >= 0 && DelayedStarts::instance().empty(), "[comm] message delay of {} s", seconds);
  delay_seconds = seconds;
}

double message_delay() { return delay_seconds; }

DelayedStarts& DelayedStarts::instance() {
  static DelayedStarts starts;
  return starts;
}

void DelayedStarts::add(std::function<void()> start) { held_.push_back({Clock::now() + delay(), std::move(start)}); }

void DelayedStarts::start_due() {
  while (!held_.empty() && held_.front().due <= Clock::now()) {
    const Held due = std::move(held_.front());
    held_.pop_front();
    due.start();
  }
}

void DelayedStarts::catch_up() {
  const auto own = Clock::now() + delay();
  while (!held_.empty() || Clock::now() < own) {
    start_due();
    std::this_thread::yield();
  }
}

}  // namespace longspan
