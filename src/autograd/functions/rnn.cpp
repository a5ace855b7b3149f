#include "autograd/functions/rnn.hpp"

#include <memory>

#include "ops/heads.hpp"

namespace longspan {
namespace {

Tensor of_heads(const Tensor& parameter, const Range& heads, std::int64_t rows_of_head) {
  return parameter.slice(heads.begin * rows_of_head, heads.size() * rows_of_head);
}

struct Run {
  Tensor gates, states, y;
};

Run run(ops::RnnCell cell, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& resets,
        const Tensor& state) {
  const std::int64_t B = x.dim(0), H = x.dim(1), T = x.dim(2), K = weight.dim(1);
  const ops::RnnCellSizes sizes = ops::cell_sizes(cell);
  const Dtype wide = accumulation_dtype(x.dtype());
  const Run r{Tensor::empty({B, H, T, sizes.gates * K}, wide, Memory::activations, "gates"),
              Tensor::empty({sizes.states, B, H, T, K}, wide, Memory::activations, "recurrent states"),
              Tensor::empty({B, H, T, K}, x.dtype())};
  ops::rnn_inputs(cell, x, bias, r.gates);
  ops::rnn_forward(cell, weight, resets, r.gates, r.states, state, r.y);
  return r;
}

}  // namespace

Variable split_heads(Tape& tape, const Variable& x, std::int64_t heads) {
  const std::int64_t B = x.value().dim(0), T = x.value().dim(1), W = x.value().dim(2) / heads;
  const Variable y(Tensor::empty({B, heads, T, W}, x.value().dtype()));
  ops::split_heads(x.value(), {}, y.value());
  tape.record("split_heads", [=] {
    const auto dx = x.gradient_slot();
    ops::merge_heads(y.take_gradient(), {}, dx.tensor, dx.accumulate);
  });
  return y;
}

Variable merge_heads(Tape& tape, const Variable& x) {
  const std::int64_t B = x.value().dim(0), H = x.value().dim(1), T = x.value().dim(2), W = x.value().dim(3);
  const Variable y(Tensor::empty({B, T, H * W}, x.value().dtype()));
  ops::merge_heads(x.value(), {}, y.value());
  tape.record("merge_heads", [=] {
    const Tensor dx = Tensor::empty(x.value().shape(), x.value().dtype());
    ops::split_heads(y.take_gradient(), {}, dx);
    x.add_gradient(dx);
  });
  return y;
}

Variable rnn(Tape& tape, ops::RnnCell cell, const Variable& x, const RnnParameters& parameters, const Range& heads,
             const Tensor& resets) {
  const std::int64_t K = parameters.weight.value().dim(1);
  const ops::RnnCellSizes sizes = ops::cell_sizes(cell);
  const Tensor state = Tensor::zeros({sizes.states, x.value().dim(0), heads.size(), K},
                                     accumulation_dtype(x.value().dtype()), Memory::workspace, "recurrent state");
  const Run saved = run(cell, x.value(), of_heads(parameters.weight.value(), heads, sizes.recurrent * K),
                        of_heads(parameters.bias.value(), heads, sizes.gates * K), resets, state);
  const Variable y(saved.y);
  // The weight part needs the gradients of the gates after the input part has made them.
  const auto dgates = std::make_shared<Tensor>();
  tape.record(
      "rnn",
      [=, gates = saved.gates, states = saved.states] {
        *dgates = Tensor::empty(gates.shape(), gates.dtype(), Memory::activations, "gate gradients");
        const Tensor weight = of_heads(parameters.weight.value(), heads, sizes.recurrent * K);
        ops::rnn_backward(cell, weight, resets, gates, states, y.take_gradient(), *dgates);
        const Tensor dx = Tensor::empty(x.value().shape(), x.value().dtype());
        ops::rnn_input_gradient(cell, *dgates, dx);
        x.add_gradient(dx);
      },
      [=, states = saved.states] {
        ops::rnn_parameter_gradients(cell, *dgates, states,
                                     of_heads(parameters.bias.gradient(), heads, sizes.gates * K),
                                     of_heads(parameters.weight.gradient(), heads, sizes.recurrent * K));
        *dgates = Tensor();
      });
  return y;
}

Tensor extend_rnn(ops::RnnCell cell, const Tensor& x, const RnnParameters& parameters, const Tensor& resets,
                  const Tensor& state) {
  return run(cell, x, parameters.weight.value(), parameters.bias.value(), resets, state).y;
}

}  // namespace longspan
