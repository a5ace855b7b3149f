// RMS norm of each head's outputs, inside a tensor region: [.., H V] by heads, one weight [V] for all heads
// (replicated).
#pragma once

#include <string>

#include "nn/context.hpp"
#include "nn/parameter.hpp"

namespace longspan {

class HeadNorm {
 public:
  HeadNorm(ParameterStore& store, const std::string& name, std::int64_t head_width, double epsilon, int group);
  Variable forward(const Context& context, const Variable& x) const;

 private:
  Parameter* weight_;
  double epsilon_;
};

}  // namespace longspan
