// A rank's part of whole sequences [B, T, width] on a contiguous shard, for tests of functions that cross the sequence
// axis.
#pragma once

#include <algorithm>

#include "autograd/variable.hpp"
#include "comm/comm.hpp"
#include "comm/counters.hpp"
#include "layout/sequence_shard.hpp"
#include "support/compare.hpp"

namespace longspan::testing {

using DocumentStarts = std::vector<std::vector<std::int64_t>>;  // by sequence; empty: none has a start

class SequenceRows {
 public:
  SequenceRows(std::int64_t B, std::int64_t T, const Comm& axis)
      : B_(B), T_(T), shard_(ShardKind::contiguous, T, axis.size(), axis.rank()) {}

  Values local(const Values& all) const {
    const std::int64_t width = static_cast<std::int64_t>(all.size()) / (B_ * T_);
    Values rows;
    for (std::int64_t b = 0; b < B_; ++b) {
      for (const std::int64_t t : shard_.positions()) {
        const auto at = all.begin() + (b * T_ + t) * width;
        rows.insert(rows.end(), at, at + width);
      }
    }
    return rows;
  }

  Tensor tensor(const Values& all, Dtype dtype) const {
    return to_tensor(local(all), {B_, shard_.local_length(), static_cast<std::int64_t>(all.size()) / (B_ * T_)}, dtype);
  }

  Tensor documents(const DocumentStarts& starts) const {
    std::vector<std::int32_t> rows;
    for (std::int64_t b = 0; b < B_; ++b) {
      for (const std::int64_t t : shard_.positions()) {
        std::int64_t start = -1000;
        for (const std::int64_t s : starts.empty() ? std::vector<std::int64_t>{} : starts[b]) {
          if (s <= t) start = s - shard_.positions()[0];
        }
        rows.push_back(static_cast<std::int32_t>(start));
      }
    }
    return Tensor::from_host(rows, {B_, shard_.local_length()});
  }

 private:
  std::int64_t B_, T_;
  SequenceShard shard_;
};

// The rows [T, width] of sequence b of all [B, T, width].
inline Values rows_of_sequence(const Values& all, std::int64_t B, std::int64_t b) {
  const auto size = static_cast<std::int64_t>(all.size()) / B;
  return Values(all.begin() + b * size, all.begin() + (b + 1) * size);
}

// The sum of `part` over all ranks.
inline Values summed(const Values& part, const Comm& axis) {
  const Tensor t = tensor_as<double>(part, {static_cast<std::int64_t>(part.size())});
  axis.all_reduce(t);
  return to_values(t);
}

inline std::int64_t bytes_sent(const Comm& axis) { return CommCounters::instance().of_group(axis.name()).bytes; }

inline Variable make_parameter(const Values& values, const Shape& shape, Dtype dtype = Dtype::float64) {
  return Variable::parameter(to_tensor(values, shape, dtype), Tensor::zeros(shape, accumulation_dtype(dtype)));
}

}  // namespace longspan::testing
