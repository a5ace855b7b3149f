#include "nn/step_decay.hpp"

#include <algorithm>
#include <cmath>

#include "autograd/functions/gates.hpp"
#include "tensor/random.hpp"

namespace longspan {
namespace {

double initial_log_rate(std::uint64_t key, std::int64_t head) {
  return std::log(1 + 15 * uniform_double(key, static_cast<std::uint64_t>(head)));
}

}  // namespace

double initial_step_bias(std::uint64_t key, std::int64_t index) {
  const double low = std::log(1e-3), high = std::log(1e-1);
  const double step = std::exp(low + (high - low) * uniform_double(key, static_cast<std::uint64_t>(index)));
  return step + std::log(-std::expm1(-step));
}

StepDecay::StepDecay(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t heads,
                     const LinearInit& init)
    : projection_(store, name, in, heads, 1, {init.deviation, false, init.group}),
      bias_(store.declare({.name = name + ".bias",
                           .shape = {heads},
                           .shard = {0, 1},
                           .init = Initializer::function(initial_step_bias),
                           .group = init.group})),
      log_rate_(store.declare({.name = name + ".log_rate",
                               .shape = {heads},
                               .shard = {0, 1},
                               .init = Initializer::function(initial_log_rate),
                               .group = init.group})) {}

StepDecay::Result StepDecay::forward(const Context& context, const Variable& x) const {
  const Variable step = softplus(context.tape, projection_.forward(context, x), bias_->variable());
  return {step, step_decay(context.tape, step, log_rate_->variable())};
}

}  // namespace longspan
