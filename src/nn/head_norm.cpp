#include "nn/head_norm.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/functions/gates.hpp"

namespace longspan {

HeadNorm::HeadNorm(ParameterStore& store, const std::string& name, std::int64_t head_width, double epsilon, int group)
    : weight_(store.declare(
          {.name = name + ".weight", .shape = {head_width}, .init = Initializer::constant(1), .group = group})),
      epsilon_(epsilon) {}

Variable HeadNorm::forward(const Context& context, const Variable& x) const {
  const std::int64_t width = weight_->info().shape[0];
  const Variable heads = reshape(context.tape, x, {x.value().size() / width, width});
  return reshape(context.tape, rms_norm(context.tape, heads, weight_->variable(), epsilon_), x.value().shape());
}

}  // namespace longspan
