// Causal depthwise convolution over kWidth positions, then SiLU, inside a document and across the ranks of a contiguous
// shard: only the edge of kWidth - 1 rows comes from the ranks before (several, where their runs are shorter).
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
  };
  ShortConvolution(ParameterStore& store, const std::string& name, std::int64_t channels, const Settings& settings);

  // x [B, T_local, C] -> the same shape. Collective over the sequence axis.
  Variable forward(const Context& context, const Variable& x, const Tensor& documents) const;
  // Generation: `edge` [B, E, C], E < kWidth, are the last rows so far; afterwards including those of x.
  Variable extend(const Context& context, const Variable& x, Tensor& edge) const;

 private:
  Variable convolve(const Context& context, const Variable& edge, const Variable& x, const Tensor& documents) const;

  Parameter* weight_;  // [C, kWidth]
  Parameter* bias_ = nullptr;
  bool replicated_;
};

}  // namespace longspan
