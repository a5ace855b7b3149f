// Depthwise convolution over a few positions, then SiLU, inside a document and across the ranks of a contiguous shard:
// only the edges come from the neighbours (several, where their runs are shorter than an edge). Causal, or centred for
// bidirectional models.
#pragma once

#include <string>

#include "nn/context.hpp"
#include "nn/parameter.hpp"

namespace longspan {

class ShortConvolution {
 public:
  static constexpr std::int64_t kWidth = 4;

  struct Settings {
    std::int64_t granule = 0;  // channels that stay together on one rank of the tensor axis; 0: all on every rank
    bool bias = false;
    int group = 0;
    std::int64_t width = kWidth;
    bool centred = false;  // (width - 1) / 2 positions to either side
  };
  ShortConvolution(ParameterStore& store, const std::string& name, std::int64_t channels, const Settings& settings);

  // x [B, T_local, C] -> the same shape; documents as of nn/contiguous.hpp. Collective over the sequence axis.
  Variable forward(const Context& context, const Variable& x, const Tensor& documents) const;
  // Generation: `edge` [B, E, C], E < width, are the last rows so far; afterwards including those of x.
  Variable extend(const Context& context, const Variable& x, Tensor& edge) const;

 private:
  Variable bias() const { return bias_ ? bias_->variable() : Variable(); }  // undefined where there is none
  std::int64_t width() const { return weight_->info().shape[1]; }
  std::int64_t lead() const { return centred_ ? (width() - 1) / 2 : 0; }
  Parameter* weight_;  // [C, width]
  Parameter* bias_ = nullptr;
  bool centred_;
};

// Row t becomes row t - 1 of its document (`reversed`: row t + 1), zero where there is none. Collective.
Variable shift_rows(const Context& context, const Variable& x, const Tensor& documents, bool reversed);

}  // namespace longspan
