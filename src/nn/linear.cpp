#include "nn/linear.hpp"

#include "autograd/functions/basic.hpp"

namespace longspan {

ColumnLinear::ColumnLinear(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t out,
                           std::int64_t granule, const LinearInit& init) {
  const ParameterShard shard{0, granule};
  weight_ = store.declare({.name = name + ".weight",
                           .shape = {out, in},
                           .shard = shard,
                           .init = Initializer::normal(init.deviation),
                           .decay = true,
                           .group = init.group});
  if (init.bias) {
    bias_ = store.declare({.name = name + ".bias", .shape = {out}, .shard = shard, .group = init.group});
  }
}

Variable ColumnLinear::forward(const Context& context, const Variable& x) const {
  return linear(context.tape, x, weight_->variable(), bias_ ? bias_->variable() : Variable());
}

RowLinear::RowLinear(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t out,
                     std::int64_t granule, const LinearInit& init) {
  weight_ = store.declare({.name = name + ".weight",
                           .shape = {out, in},
                           .shard = {1, granule},
                           .init = Initializer::normal(init.deviation),
                           .decay = true,
                           .group = init.group});
  if (init.bias) bias_ = store.declare({.name = name + ".bias", .shape = {out}, .group = init.group});
}

Variable RowLinear::forward(const Context& context, const Variable& x) const {
  const bool adds_bias = bias_ != nullptr && context.mesh.tensor().rank() == 0;
  return linear(context.tape, x, weight_->variable(), adds_bias ? bias_->variable() : Variable());
}

ReplicatedLinear::ReplicatedLinear(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t out,
                                   const LinearInit& init)
    : weight_(store.declare({.name = name + ".weight",
                             .shape = {out, in},
                             .init = Initializer::normal(init.deviation),
                             .decay = true,
                             .group = init.group})) {}

Variable ReplicatedLinear::forward(const Context& context, const Variable& x) const {
  return linear(context.tape, x, weight_->variable());
}

}  // namespace longspan
