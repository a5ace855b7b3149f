// How blocks travel so that each one visits every rank of a group once, one block a rank and step. Three routes over S
// ranks, W of which form a node:
//   up      step t: rank s holds the block of rank s - t               (one hop to the next rank a step)
//   down    step t: rank s holds the block of rank s + t
//   nested  rank s = g W + y; step t = i W + j: rank (g, y) holds the block of rank (g - i, y - j). A block goes round
//           the ranks of a node; the hop to the next node starts when it enters the node and has W steps to arrive
//           (LoongTrain's double ring, Gu et al. 2024).
// All indices wrap around. Integers only: the runtime, the closed forms and the tests read the same route.
#pragma once

#include <vector>

#include "base/error.hpp"

namespace longspan {

constexpr int wrap(int i, int n) { return (i % n + n) % n; }

class RingRoute {
 public:
  static RingRoute up(int size) { return {size, size, 1}; }
  static RingRoute down(int size) { return {size, size, -1}; }
  static RingRoute nested(int size, int inner) { return {size, inner, 1}; }

  int size() const { return size_; }

  // Whose block `rank` holds at `step`; which rank holds `owner`'s block at `step`.
  int owner(int rank, int step) const { return shift(rank, -1, step); }
  int holder(int owner, int step) const { return shift(owner, 1, step); }

  // A block reaches its holder of step > 0 from its holder of this earlier step.
  int origin(int step) const { return step % inner_ == 0 ? step - inner_ : step - 1; }
  // The steps whose holders get their block from the holder of `step`, ascending.
  std::vector<int> next_steps(int step) const {
    std::vector<int> steps;
    for (int t = step + 1; t < size_ && t <= step + inner_; ++t) {
      if (origin(t) == step) steps.push_back(t);
    }
    return steps;
  }

 private:
  RingRoute(int size, int inner, int sign) : size_(size), inner_(inner), sign_(sign) {
    LONGSPAN_CHECK(size >= 1 && inner >= 1 && size % inner == 0, "[ring_route] {} ranks in nodes of {}", size, inner);
  }

  int shift(int rank, int towards, int step) const {
    const int sign = sign_ * towards, nodes = size_ / inner_;
    return wrap(rank / inner_ + sign * (step / inner_), nodes) * inner_ + wrap(rank + sign * (step % inner_), inner_);
  }

  int size_, inner_, sign_;
};

}  // namespace longspan
