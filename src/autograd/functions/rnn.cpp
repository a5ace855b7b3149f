#include "autograd/functions/rnn.hpp"

#include <memory>
#include <vector>

#include "comm/relay.hpp"
#include "ops/heads.hpp"

namespace longspan {
namespace {

Tensor of_heads(const Tensor& parameter, const Range& heads, std::int64_t rows_of_head) {
  return parameter.slice(heads.begin * rows_of_head, heads.size() * rows_of_head);
}

// What a forward pass keeps.
struct Run {
  Tensor gates, states;
};

Run run(ops::RnnCell cell, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& resets,
        const Tensor& state, const Tensor& y) {
  const std::int64_t B = x.dim(0), H = x.dim(1), T = x.dim(2), K = weight.dim(1);
  const ops::RnnCellSizes sizes = ops::cell_sizes(cell);
  const Dtype wide = accumulation_dtype(x.dtype());
  const Run r{Tensor::empty({B, H, T, sizes.gates * K}, wide, Memory::activations, "gates"),
              Tensor::empty({sizes.states, B, H, T, K}, wide, Memory::activations, "recurrent states")};
  ops::rnn_inputs(cell, x, bias, r.gates);
  ops::rnn_forward(cell, weight, resets, r.gates, r.states, state, y);
  return r;
}

Tensor output_of(const Tensor& x, std::int64_t width) {
  return Tensor::empty({x.dim(0), x.dim(1), x.dim(2), width}, x.dtype());
}

// Sequences of the batch that go from rank to rank together.
std::vector<Range> cut(std::int64_t batch, std::int64_t groups) {
  std::vector<Range> parts;
  for (std::int64_t g = 0; g < groups; ++g) parts.push_back(split(batch, groups, g));
  return parts;
}

Tensor part_of(const Tensor& x, const Range& sequences) { return x.slice(sequences.begin, sequences.size()); }

// For each group, [states, sequences, H, K] of zero.
std::vector<Tensor> zero_states(ops::RnnCell cell, const std::vector<Range>& groups, const Tensor& y,
                                const char* name) {
  std::vector<Tensor> states;
  for (const Range& group : groups) {
    states.push_back(Tensor::zeros({ops::cell_sizes(cell).states, group.size(), y.dim(1), y.dim(3)},
                                   accumulation_dtype(y.dtype()), Memory::workspace, name));
  }
  return states;
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
             const Tensor& resets, const RnnRelay& relay) {
  const std::int64_t K = parameters.weight.value().dim(1);
  const ops::RnnCellSizes sizes = ops::cell_sizes(cell);
  const std::vector<Range> groups = cut(x.value().dim(0), relay.groups);
  const Variable y(output_of(x.value(), K));
  const auto weight = [=] { return of_heads(parameters.weight.value(), heads, sizes.recurrent * K); };
  std::vector<Run> saved;
  Relay states(relay.axis, zero_states(cell, groups, y.value(), "recurrent state"), false);
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const Run kept =
        run(cell, part_of(x.value(), groups[g]), weight(), of_heads(parameters.bias.value(), heads, sizes.gates * K),
            part_of(resets, groups[g]), states.enter(g), part_of(y.value(), groups[g]));
    states.leave(g);
    if (tape.recording()) saved.push_back(kept);
  }
  // The weight part needs the gradients of the gates after the input part has made them.
  const auto dgates = std::make_shared<std::vector<Tensor>>();
  tape.record(
      "rnn",
      [=] {
        const Tensor dy = y.take_gradient(), dx = Tensor::empty(x.value().shape(), x.value().dtype());
        Relay dstates(relay.axis, zero_states(cell, groups, y.value(), "state gradient"), true);
        for (std::size_t g = 0; g < groups.size(); ++g) {
          const Run& kept = saved[g];
          dgates->push_back(
              Tensor::empty(kept.gates.shape(), kept.gates.dtype(), Memory::activations, "gate gradients"));
          ops::rnn_backward(cell, weight(), part_of(resets, groups[g]), kept.gates, kept.states, part_of(dy, groups[g]),
                            dstates.enter(g), dgates->back());
          dstates.leave(g);
          ops::rnn_input_gradient(cell, dgates->back(), part_of(dx, groups[g]));
        }
        x.add_gradient(dx);
      },
      [=] {
        for (std::size_t g = 0; g < groups.size(); ++g) {
          ops::rnn_parameter_gradients(cell, (*dgates)[g], saved[g].states,
                                       of_heads(parameters.bias.gradient(), heads, sizes.gates * K),
                                       of_heads(parameters.weight.gradient(), heads, sizes.recurrent * K));
        }
        dgates->clear();
      });
  return y;
}

Tensor extend_rnn(ops::RnnCell cell, const Tensor& x, const RnnParameters& parameters, const Tensor& resets,
                  const Tensor& state) {
  const Tensor y = output_of(x, parameters.weight.value().dim(1));
  run(cell, x, parameters.weight.value(), parameters.bias.value(), resets, state, y);
  return y;
}

}  // namespace longspan
