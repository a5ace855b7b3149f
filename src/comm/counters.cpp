#include "comm/counters.hpp"

namespace longspan {

CommCounters& CommCounters::instance() {
  static CommCounters counters;
  return counters;
}

void CommCounters::add(const std::string& group, const std::string& kind, std::int64_t bytes, double seconds) {
  CommCount& count = counts_[{group, kind}];
  ++count.calls;
  count.bytes += bytes;
  count.seconds += seconds;
}

void CommCounters::add_seconds(const std::string& group, const std::string& kind, double seconds) {
  counts_[{group, kind}].seconds += seconds;
}

CommCount CommCounters::of(const std::string& group, const std::string& kind) const {
  const auto found = counts_.find({group, kind});
  return found == counts_.end() ? CommCount{} : found->second;
}

CommCount CommCounters::of_group(const std::string& group) const {
  CommCount sum;
  for (const auto& [key, count] : counts_) {
    if (key.first != group) continue;
    sum.calls += count.calls;
    sum.bytes += count.bytes;
    sum.seconds += count.seconds;
  }
  return sum;
}

}  // namespace longspan
