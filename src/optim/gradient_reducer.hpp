// Sums gradients over the ranks that hold the same parameters (data x sequence; data alone where positions split them),
// group by group while the backward pass goes on: a group's flat slices are reduced as soon as its last gradient is
// complete. Gradients are sums over tokens
// times 1 / (all tokens), so they are added and never divided by a number of ranks.
#pragma once

#include <vector>

#include "comm/mesh.hpp"
#include "nn/parameter.hpp"

namespace longspan {

class GradientReducer {
 public:
  GradientReducer(const ParameterStore& store, const Mesh& mesh) : store_(store), mesh_(mesh) {}

  // All gradients of the group are complete on this rank; the ranks that hold it must call in the same order.
  void start(int group);
  // Lets reductions under way progress.
  void poll();
  // Waits for all groups, then sums the two ends' copies of a tied embedding.
  void finish();

 private:
  const ParameterStore& store_;
  const Mesh& mesh_;
  std::vector<Request> requests_;
};

}  // namespace longspan
