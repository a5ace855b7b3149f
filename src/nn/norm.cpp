#include "nn/norm.hpp"

#include "autograd/functions/basic.hpp"

namespace longspan {

Norm::Norm(ParameterStore& store, const std::string& name, const ModelConfig& config, int group)
    : epsilon_(config.norm_epsilon) {
  weight_ = store.declare(
      {.name = name + ".weight", .shape = {config.width}, .init = Initializer::constant(1), .group = group});
  if (config.norm == "layer") {
    bias_ = store.declare({.name = name + ".bias", .shape = {config.width}, .group = group});
  }
}

Variable Norm::forward(const Context& context, const Variable& x) const {
  return bias_ ? layer_norm(context.tape, x, weight_->variable(), bias_->variable(), epsilon_)
               : rms_norm(context.tape, x, weight_->variable(), epsilon_);
}

}  // namespace longspan
