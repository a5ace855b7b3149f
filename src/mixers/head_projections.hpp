// From the residual stream to query, key and value heads and back: what the mixers of the softmax family share. Heads
// are split over the tensor axis; keys and values may have fewer of them (Ainslie et al. 2023).
#pragma once

#include <functional>

#include "mixers/mixer.hpp"
#include "nn/linear.hpp"

namespace longspan {

// Of this rank of the tensor axis.
struct Heads {
  Variable q;   // [B, H, T, K]
  Variable kv;  // [2 B, Hk, T, K]: all keys, then all values
};

class HeadProjections {
 public:
  // Declares NAME.query, NAME.key, NAME.value and NAME.output.
  HeadProjections(ParameterStore& store, const MixerSettings& settings);

  // x [B, T, D] -> [B, T, D], with what makes o of the heads in the middle; on the way back heads are there when they
  // are asked for, but may not be kept until then.
  using Mixing = std::function<Variable(const Heads&)>;
  Variable mix(const Context& context, const Variable& x, const Mixing& mixing) const;

  // x [B, T, D], which has entered the tensor region; queries and keys are rotated where the model is rotary.
  Heads project(const Context& context, const Variable& x) const;
  // o [B, H, T, K] -> [B, T, D], which has left the tensor region.
  Variable join(const Context& context, const Variable& o) const;

  std::int64_t heads() const { return heads_; }  // of this rank, as all of these
  std::int64_t kv_heads() const { return kv_heads_; }
  std::int64_t first_head() const { return first_head_; }
  std::int64_t head_width() const { return head_width_; }

 private:
  std::int64_t heads_, kv_heads_, head_width_, first_head_;
  Variable make_queries(const Context& context, const Variable& projected) const;
  Variable make_keys(const Context& context, const Variable& keys, const Variable& values) const;
  void remake(const Context& context, const Variable& x, const Heads& heads) const;

  ColumnLinear query_, key_, value_;
  RowLinear output_;
};

}  // namespace longspan
