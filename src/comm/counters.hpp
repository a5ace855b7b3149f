// Counts of all communication of this process by group name (data, tensor, pipeline, sequence, ...) and kind.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

namespace longspan {

struct CommCount {
  std::int64_t calls = 0, bytes = 0;
  double seconds = 0;  // spent inside the call, or waiting for it
};

class CommCounters {
 public:
  static CommCounters& instance();

  void add(const std::string& group, const std::string& kind, std::int64_t bytes, double seconds);
  void add_seconds(const std::string& group, const std::string& kind, double seconds);
  const std::map<std::pair<std::string, std::string>, CommCount>& all() const { return counts_; }
  CommCount of(const std::string& group, const std::string& kind) const;
  CommCount of_group(const std::string& group) const;  // all kinds together
  void reset() { counts_.clear(); }

 private:
  std::map<std::pair<std::string, std::string>, CommCount> counts_;
};

}  // namespace longspan
