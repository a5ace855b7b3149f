// How attention crosses the sequence axis: each rank holds some positions of every sequence, each query must meet every
// key that it may see. All methods compute the same function; they differ in what travels, when, and what a rank holds.
//
//   method              what travels                                         best where
//   ring                keys and values, round the ring                      the default: any heads, any mask
//   bidirectional_ring  one half of them each way round                      links that carry both ways at once
//   double_ring         round a node, and from node to node meanwhile        several ranks a node
//   tokenring           queries one way, outputs straight back               as many key heads as query heads
//   rsa                 keys, then values; whole rows of scores              the published Ring Self-Attention
//   rsa_reduce_scatter  the same; gradients summed on their way home         the same with a quarter less traffic
//   ulysses             heads for positions, all to all, and back            heads enough, fast all-to-all
//   ulysses_ring        ulysses among neighbours, ring among the groups      few heads, many ranks
//   allgather_kv        all keys and values, some heads at a time            few key heads, short shards
//   window              the edges that a sliding window reaches over         windowed layers
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "autograd/variable.hpp"
#include "mixers/sequence/attention_layer.hpp"

namespace longspan {

// Shape of one attention layer on one rank of the tensor axis.
struct AttentionSizes {
  std::int64_t batch = 1, heads = 1, key_heads = 1, head_width = 1;
  Dtype dtype = Dtype::float32;

  std::int64_t element() const { return static_cast<std::int64_t>(size_of(dtype)); }
  std::int64_t sum_element() const { return static_cast<std::int64_t>(size_of(accumulation_dtype(dtype))); }
  std::int64_t query_token() const { return batch * heads * head_width; }  // elements of q, o, dq a token
  std::int64_t key_value_token() const { return 2 * batch * key_heads * head_width; }
  std::int64_t row_token() const { return batch * heads; }  // elements of a log-sum-exp
};

// What one rank sends for one layer, in bytes and messages (a collective counts as one).
struct Traffic {
  std::int64_t forward_bytes = 0, backward_bytes = 0, forward_messages = 0, backward_messages = 0;
  std::int64_t forward_returning_bytes = 0, backward_returning_bytes = 0;  // of the bytes: results on their way back
  bool operator==(const Traffic&) const = default;
};

class SequenceMethod {
 public:
  virtual ~SequenceMethod() = default;

  // q [B, H, T_local, K], kv [2 B, Hk, T_local, K] -> o [B, H, T_local, K], recorded on the layer's tape.
  virtual Variable attend(const AttentionLayer& layer, const Variable& q, const Variable& kv) const = 0;

  // In closed form for the rank that holds shard.part(); comm/ counts exactly this.
  virtual Traffic traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const = 0;

  // The share of a layer's visible (query, key, head) triples that each rank computes: parts() numbers that add up to
  // 1. Documents are not looked at.
  virtual std::vector<double> work(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const;

  // Scores kept for the backward, a head and query of a sequence of `length` tokens.
  virtual std::int64_t kept_scores(std::int64_t /*length*/) const { return 0; }
};

// A method whose forward and backward are written by hand.
struct AttentionOutput {
  Tensor o;                  // dtype of q
  std::vector<Tensor> kept;  // what backward needs besides q, kv and o
};
struct AttentionGradients {
  Tensor dq, dkv;  // accumulation dtype
};
class TwoPassMethod : public SequenceMethod {
 public:
  Variable attend(const AttentionLayer& layer, const Variable& q, const Variable& kv) const final;

 protected:
  virtual AttentionOutput forward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv) const = 0;
  virtual AttentionGradients backward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                                      const AttentionOutput& output, const Tensor& dout) const = 0;
};

// By name (config/run_config.hpp lists them), for `ranks` of the sequence axis in groups of `inner` neighbours.
std::unique_ptr<SequenceMethod> make_sequence_method(const std::string& name, int ranks, int inner);

}  // namespace longspan
