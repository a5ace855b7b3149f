// Step sizes and decays of state space models (Gu and Dao 2023, Dao and Gu 2024), one a head, from the token:
//   step = softplus(x W + b),  log a = -exp(log_rate) step
// Rates start between 1 and 16, steps between 0.001 and 0.1. Heads over the tensor axis.
#pragma once

#include <string>

#include "nn/linear.hpp"

namespace longspan {

// The inverse of softplus at a step that is uniform in its logarithm between 0.001 and 0.1.
double initial_step_bias(std::uint64_t key, std::int64_t index);

class StepDecay {
 public:
  StepDecay(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t heads,
            const LinearInit& init);

  struct Result {
    Variable step, log_decay;  // [B, T, H], accumulation dtype
  };
  Result forward(const Context& context, const Variable& x) const;

 private:
  ColumnLinear projection_;
  Parameter *bias_, *log_rate_;
};

}  // namespace longspan
