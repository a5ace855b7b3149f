// What this rank is waiting for in its messages and collectives, for a thread that watches over a run to tell.
#pragma once

#include <optional>
#include <string>

#include "base/timer.hpp"

namespace longspan {

// A call that is not over, from its construction to its end. Calls of one thread, one inside the other.
class WaitScope {
 public:
  WaitScope(const std::string& group, const char* kind);
  ~WaitScope();
  WaitScope(const WaitScope&) = delete;
  WaitScope& operator=(const WaitScope&) = delete;

 private:
  friend std::optional<struct PresentWait> present_wait();
  const std::string& group_;
  const char* kind_;
  Timer timer_;
  WaitScope* outer_;
};

struct PresentWait {
  std::string group, kind;
  double seconds = 0;  // since the call began
};
// The innermost one, seen from any thread; none while the rank computes.
std::optional<PresentWait> present_wait();

}  // namespace longspan
