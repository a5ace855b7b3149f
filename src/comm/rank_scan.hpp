// The scan of a recurrence over the ranks of an axis: the one place where a state crosses ranks, for every mixer whose
// tokens map a state to the next. Each rank brings the map of its own tokens; it gets the state that enters them.
// Maps compose associatively; they need not commute. A rank without tokens brings the identity.
#pragma once

#include <functional>

#include "comm/comm.hpp"
#include "layout/scan_method.hpp"

namespace longspan {

struct ScanOperator {
  // state <- map(state)
  std::function<void(const Tensor& map, const Tensor& state)> apply;
  // later <- earlier followed by later
  std::function<void(const Tensor& earlier, const Tensor& later)> compose;
};

// Between the constructor and finish() the first messages are under way: do there what needs no incoming state.
// Collective; one scan at a time on an axis.
class RankScan {
 public:
  // `state` is what enters the first rank (the last one where `reversed`), the same on all ranks; `map` must live,
  // unchanged, as long as this object.
  RankScan(const Comm& axis, ScanOperator op, const Tensor& map, const Tensor& state, bool reversed, ScanMethod method);

  // Overwrites `state` with what enters this rank, and returns it.
  Tensor finish();

 private:
  int rank_at(int place) const { return reversed_ ? axis_.size() - 1 - place : place; }
  void start_round(int distance);
  void finish_ring();
  void finish_rounds();
  void finish_gather();

  const Comm& axis_;
  ScanOperator op_;
  Tensor map_, state_;
  bool reversed_;
  ScanMethod method_;
  int place_;
  // ring: the state that leaves. rounds: `window_` is the composition of the maps of the last `distance` places up to
  // this one. gather: all maps.
  Tensor leaving_, window_, incoming_, all_;
  Request receive_, send_;
};

}  // namespace longspan
