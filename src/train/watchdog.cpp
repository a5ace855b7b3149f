#include "train/watchdog.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <format>

#include "base/error.hpp"
#include "comm/waiting.hpp"
#include "train/signals.hpp"

namespace longspan {

void Watchdog::start(double seconds, double stop_within, int rank) {
  seconds_ = seconds;
  stop_within_ = stop_within;
  rank_ = rank;
  since_.restart();
  if (seconds_ > 0 || stop_within_ > 0) thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::progress(const std::string& doing) {
  const std::lock_guard lock(mutex_);
  doing_ = doing;
  since_.restart();
}

// A signal wakes nobody: it is asked for twice a second.
void Watchdog::watch() {
  constexpr std::chrono::milliseconds kPause(500);
  std::unique_lock lock(mutex_);
  while (!over_) {
    const std::string sentence = complaint();
    if (!sentence.empty()) {
      std::fputs(sentence.c_str(), stderr);
      std::fflush(stderr);
      std::_Exit(static_cast<int>(ExitCode::environment));  // destructors would wait for the messages that hang
    }
    changed_.wait_for(lock, kPause);
  }
}

std::string Watchdog::complaint() const {
  if (stop_within_ > 0 && seconds_since_stop() > stop_within_) {
    return std::format(
        "error: rank {} is not through with {} run.stop_within = {:g} s after the stop signal: {}; the run goes on "
        "from its last checkpoint, raise run.stop_within for a new one\n",
        rank_, doing_, stop_within_, state());
  }
  if (seconds_ > 0 && since_.seconds() > seconds_) {
    return std::format(
        "error: rank {} is not through with {} after run.watchdog = {:g} s: {}; look at the nodes of the ranks that "
        "say nothing, or raise run.watchdog\n",
        rank_, doing_, seconds_, state());
  }
  return "";
}

std::string Watchdog::state() const {
  const std::optional<PresentWait> wait = present_wait();
  if (!wait) return "it computes";
  return std::format("it has waited {:.1f} s in {} with the ranks of the group '{}', one of which does not come",
                     wait->seconds, wait->kind, wait->group);
}

}  // namespace longspan
