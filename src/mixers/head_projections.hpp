// From the residual stream to query, key and value heads and back: what the mixers of the softmax family share. Heads
// are split over the tensor axis; keys and values may have fewer of them (Ainslie et al. 2023).
#pragma once

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
  ColumnLinear query_, key_, value_;
  RowLinear output_;
};

}  // namespace longspan
