#include "nn/feed_forward.hpp"

#include <cmath>

#include "autograd/functions/basic.hpp"
#include "autograd/remake.hpp"

namespace longspan {
namespace {

// The second matrix of a residual branch starts smaller, by 1/sqrt(2 L), so that the sum over L layers keeps its scale
// (Radford et al. 2019).
double residual_deviation(const ModelConfig& config) {
  return config.init_deviation / std::sqrt(2.0 * static_cast<double>(config.layers));
}

std::optional<ColumnLinear> make_gate(ParameterStore& store, const std::string& name, const ModelConfig& config,
                                      int group) {
  if (config.activation != "swiglu") return std::nullopt;
  return ColumnLinear(store, name + ".gate", config.width, config.feed_forward_width(), 1,
                      {config.init_deviation, config.bias, group});
}

}  // namespace

FeedForward::FeedForward(ParameterStore& store, const std::string& name, const ModelConfig& config, int group)
    : gate_(make_gate(store, name, config, group)),
      up_(store, name + ".up", config.width, config.feed_forward_width(), 1,
          {config.init_deviation, config.bias, group}),
      down_(store, name + ".down", config.feed_forward_width(), config.width, 1,
            {residual_deviation(config), config.bias, group}) {}

Variable FeedForward::forward(const Context& context, const Variable& x) const {
  Tape& tape = context.tape;
  const Variable up = up_.forward(context, x), gate = gate_ ? gate_->forward(context, x) : Variable();
  const auto bend = [up, gate](Tape& onto) {
    return gate.defined() ? swiglu(onto, gate, up) : activation(onto, ops::Activation::gelu, up);
  };
  const Variable hidden = bend(tape), y = down_.forward(context, hidden);
  if (context.remake >= Remake::cheap) remake_in_backward(tape, hidden, bend);
  if (context.remake >= Remake::linear) {
    const auto drop = [&](const Variable& v, const ColumnLinear& layer) {
      remake_in_backward(tape, v, [=, &layer](Tape& onto) { return layer.forward(with_tape(context, onto), x); });
    };
    drop(up, up_);
    if (gate_) drop(gate, *gate_);
  }
  return y;
}

}  // namespace longspan
