// Two ways in which gradients that every rank found for every rank's rows, [B, Hk, n, K], become sums at home.
#pragma once

#include <functional>

#include "mixers/sequence/attention_layer.hpp"

namespace longspan {

// Adds what this rank found for `owner`'s rows to `sum` [B, Hk, n_owner, K].
using PartialGradient = std::function<void(int owner, const Tensor& sum)>;

class GradientSums {
 public:
  virtual ~GradientSums() = default;
  // Called at each step 0 .. S-1 of a ring, for sums that travel meanwhile.
  virtual void at_step(int step) = 0;
  // mine = the sum over the ranks, for this rank's rows.
  virtual void come_home(const Tensor& mine) = 0;
};

// All rows of all ranks side by side, all-reduced; each rank keeps its own. The sum is under way from the start on.
class AllReducedGradients : public GradientSums {
 public:
  AllReducedGradients(const AttentionLayer& layer, const Tensor& mine, const PartialGradient& partial);
  void at_step(int) override {}
  void come_home(const Tensor& mine) override;

 private:
  Tensor all_, own_;  // own_: this rank's rows in all_
  Request request_;
};

// The sum for rank r starts at rank r+1 and goes up the ring; each rank adds its part and sends it on, so that it is
// home after S-1 hops and no rank holds more than two blocks.
class TravellingSums : public GradientSums {
 public:
  TravellingSums(const AttentionLayer& layer, const Tensor& mine, PartialGradient partial, int tag);
  void at_step(int step) override;
  void come_home(const Tensor& mine) override;

 private:
  Tensor empty_for(int owner) const;
  void add_arrived(const Tensor& sum);

  const AttentionLayer& layer_;
  Shape shape_;
  Dtype dtype_;
  PartialGradient partial_;
  int tag_;
  Tensor arriving_, leaving_;
  Request received_, sent_;
};

}  // namespace longspan
