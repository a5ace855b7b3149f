// The channel mixer: D -> F -> D with GELU, or SwiGLU with its gate. F is split over the tensor axis.
#pragma once

#include <optional>
#include <string>

#include "config/model_config.hpp"
#include "nn/linear.hpp"

namespace longspan {

class FeedForward {
 public:
  FeedForward(ParameterStore& store, const std::string& name, const ModelConfig& config, int group);
  Variable forward(const Context& context, const Variable& x) const;

 private:
  std::optional<ColumnLinear> gate_;  // swiglu only
  ColumnLinear up_;
  RowLinear down_;
};

}  // namespace longspan
