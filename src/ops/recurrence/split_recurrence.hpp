// A run that is one of several, on as many ranks: the state that enters it comes late, and so does, backwards, the
// gradient of the state that leaves. What the run does to either is a map (affine_map.hpp) that all ranks exchange;
// meanwhile everything is computed from zero.
#pragma once

#include "ops/recurrence/block.hpp"

namespace longspan::ops {

class SplitRecurrence {
 public:
  // Both must outlive it. All chunks are kept.
  SplitRecurrence(const RecurrenceSettings& settings, const RecurrenceInput& input);

  const AffineMapSizes& sizes() const { return sizes_; }

  // The states from the one that enters.
  void advance(const Tensor& state);
  Tensor final_state() const;  // [R, K, V]

  // Forward, from state zero: what the run does to the state that enters it; o; what the state adds to it.
  Tensor map() const;
  void make_output();
  void enter(const Tensor& state);
  void write_output(const Tensor& o) const;  // rows [B, T, H V]

  // Backward, of states that are known. dout rows [B, T, H V].
  void start_backward(const Tensor& dout);
  // What the run does, backwards, to the gradient of the state that leaves; `map` is what map() gave.
  Tensor adjoint_map(const Tensor& map) const;
  void backward_queries();
  void leave(const Tensor& dstate);
  void write_gradients(const RecurrenceGradients& gradients) const;

 private:
  // The windows of some (sequence, head) pairs.
  struct Part {
    Range rows;
    std::vector<RecurrenceBlock> blocks;
    Tensor states, dstates;  // [N + 1, R, K, V]
  };
  Tensor make_states(const Part& part, std::int64_t cols) const;
  static Tensor first_of(const Tensor& states);
  static Tensor last_of(const Tensor& states);
  Tensor decay(const Part& part) const;
  // visit(block, states of its chunks), and backwards visit(block, states, its first chunk).
  template <class Blocks, class Visit>
  static void forwards(Blocks& blocks, const Tensor& states, const Visit& visit);
  template <class Blocks, class Visit>
  static void backwards(Blocks& blocks, const Tensor& states, const Visit& visit);

  AffineMapSizes sizes_;
  Dtype dtype_;
  std::int64_t rows_;  // R of the whole
  std::vector<Part> parts_;
};

}  // namespace longspan::ops
