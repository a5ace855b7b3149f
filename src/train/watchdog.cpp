#include "train/watchdog.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <format>

#include "base/error.hpp"
#include "comm/waiting.hpp"

namespace longspan {

Watchdog::Watchdog(double seconds, int rank) : seconds_(seconds), rank_(rank) {
  if (seconds_ > 0) thread_ = std::thread([this] { watch(); });
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

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    const double left = seconds_ - since_.seconds();
    if (left <= 0) {
      std::fputs(complaint().c_str(), stderr);
      std::fflush(stderr);
      std::_Exit(static_cast<int>(ExitCode::environment));  // destructors would wait for the messages that hang
    }
    changed_.wait_for(lock, std::chrono::duration<double>(left));
  }
}

std::string Watchdog::complaint() const {
  const std::optional<PresentWait> wait = present_wait();
  const std::string state =
      wait ? std::format("it has waited {:.1f} s in {} with the ranks of the group '{}', one of which does not come",
                         wait->seconds, wait->kind, wait->group)
           : std::string("it computes");
  return std::format(
      "error: rank {} is not through with {} after run.watchdog = {:g} s: {}; look at the nodes of the ranks that say "
      "nothing, or raise run.watchdog\n",
      rank_, doing_, seconds_, state);
}

}  // namespace longspan
