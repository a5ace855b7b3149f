// The blocks of all ranks as they visit this one: each rank's rows of a tensor [A, h, n, K] travel a route. The next
// block is received, and the present one sent on, while the caller works.
#pragma once

#include <map>

#include "layout/ring_route.hpp"
#include "mixers/sequence/attention_layer.hpp"

namespace longspan {

// Part `index` of `count` of the rows of every block, for blocks that are spread over several routes.
struct RowShare {
  int index = 0, count = 1;
  Range of(std::int64_t rows) const { return split(rows, count, index); }
};

class VisitingBlocks {
 public:
  // `mine` is this rank's whole block; `layer` outlives this object. Messages of other blocks have other tags.
  VisitingBlocks(const AttentionLayer& layer, const Tensor& mine, const RingRoute& route, int tag, RowShare share = {});

  // Of the block at hand: its number on the route, its rank, its rows and their positions.
  int step() const { return step_; }
  int owner() const { return route_.owner(layer_.rank(), step_); }
  const Tensor& block() const { return block_; }
  std::vector<PositionRun> runs() const { return slice_runs(layer_.shard.runs(owner()), rows(owner())); }

  void next();

  const RingRoute& route() const { return route_; }
  Shape shape(int owner) const { return {block_.dim(0), block_.dim(1), rows(owner).size(), block_.dim(3)}; }

 private:
  struct Coming {
    Tensor block;
    Request received;
  };

  Range rows(int owner) const { return share_.of(layer_.shard.local_length(owner)); }
  void exchange();

  const AttentionLayer& layer_;
  RingRoute route_;
  int tag_;
  RowShare share_;
  Tensor block_;
  int step_ = 0;
  std::map<int, Coming> coming_;
  std::map<int, Request> sent_;
};

}  // namespace longspan
