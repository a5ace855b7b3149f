// Sums gradients over the ranks that hold the same part of a parameter (Mesh::holders), group by group while the
// backward pass goes on. Gradients are sums over tokens times 1 / (all tokens), so they are
// added and never divided by a number of ranks.
//
// Without ZeRO a group is summed on all its holders once its last gradient is complete. With ZeRO each holder gets the
// sum of what it owns: in stage 1 once as well, from stage 2 on after every microbatch, whose whole gradients are let
// go. Then one group is under way at a time, so that memory is the same in every run.
#pragma once

#include <vector>

#include "comm/mesh.hpp"
#include "nn/parameter.hpp"

namespace longspan {

class GradientReducer {
 public:
  GradientReducer(ParameterStore& store, const Mesh& mesh) : store_(store), mesh_(mesh) {}

  // The backward pass of a microbatch has left the group; `last`: no other will add to it. The ranks that hold it must
  // call in the same order.
  void start(int group, bool last);
  // Lets reductions under way progress.
  void poll();
  // Waits for all groups, then sums the two ends' copies of a tied embedding.
  void finish();

 private:
  struct Sum {
    Request request;
    Tensor whole;        // let go at a fixed point, not when the messages happen to be over
    Tensor owned, part;  // what this rank owns, and the sum of one microbatch for it
  };
  void wait();

  ParameterStore& store_;
  const Mesh& mesh_;
  std::vector<Sum> sums_;
};

}  // namespace longspan
