// Where sequences come from: the windows of a corpus, or a task that makes them up. Sequence i is a pure function of
// (seed, i), so that a resumed run and every mesh see the same data.
#pragma once

#include <cstdint>
#include <vector>

namespace longspan {

inline constexpr std::int32_t kNoTarget = -1;  // of a position whose prediction does not count

struct Sequence {
  std::vector<std::int32_t> tokens, targets;  // [T]
  // 0, then where documents start strictly inside (0 < start < T), ascending.
  std::vector<std::int64_t> document_starts = {0};
};

class SequenceSource {
 public:
  virtual ~SequenceSource() = default;

  virtual std::int64_t vocabulary() const = 0;
  virtual std::int64_t length() const = 0;                // T
  virtual Sequence training(std::int64_t i) const = 0;    // any i >= 0
  virtual Sequence validation(std::int64_t i) const = 0;  // 0 <= i < validation_count()
  virtual std::int64_t validation_count() const = 0;
};

}  // namespace longspan
