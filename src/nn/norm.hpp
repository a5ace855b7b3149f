// Normalisation with its parameters, replicated over the tensor axis.
#pragma once

#include <string>

#include "config/model_config.hpp"
#include "nn/context.hpp"
#include "nn/parameter.hpp"

namespace longspan {

class Norm {
 public:
  Norm(ParameterStore& store, const std::string& name, const ModelConfig& config, int group);
  Variable forward(const Context& context, const Variable& x) const;

 private:
  Parameter* weight_;
  Parameter* bias_ = nullptr;  // layer norm only
  double epsilon_;
};

}  // namespace longspan
