// Counts one call of a group: its kind and bytes now, its seconds when the call ends.
#pragma once

#include <string>

#include "base/timer.hpp"
#include "comm/counters.hpp"
#include "comm/waiting.hpp"

namespace longspan {

class CallCounter {
 public:
  CallCounter(const std::string& group, const char* kind, std::int64_t bytes)
      : group_(group), kind_(kind), bytes_(bytes), wait_(group, kind) {}
  ~CallCounter() { CommCounters::instance().add(group_, kind_, bytes_, timer_.seconds()); }
  CallCounter(const CallCounter&) = delete;
  CallCounter& operator=(const CallCounter&) = delete;

 private:
  const std::string& group_;
  const char* kind_;
  std::int64_t bytes_;
  Timer timer_;
  WaitScope wait_;
};

}  // namespace longspan
