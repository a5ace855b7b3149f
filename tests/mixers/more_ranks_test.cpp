// What more ranks on the sequence axis must not change, whatever the method: the size of weight gradients, and how much
// bfloat16 loses.
#include <gtest/gtest.h>

#include "mixers/attention_case.hpp"
#include "mixers/mixer.hpp"
#include "nn/layer_case.hpp"

namespace longspan::testing {
namespace {

// An attention layer by a method, and its parameters' gradients summed over `ranks` of the sequence axis.
std::map<std::string, Values> weight_gradients(const Comm& ranks, const Spread& spread) {
  ModelConfig model;
  model.layers = 2, model.width = 16, model.heads = 4, model.kv_heads = 2, model.bias = true, model.window = 5;
  LayerCase c;
  c.D = model.width, c.T = 13, c.sequence_inner = spread.inner;
  c.make = [&](ParameterStore& store) -> Forward {
    const std::shared_ptr<Mixer> mixer = make_mixer("attention", store,
                                                    {.name = "mixer",
                                                     .layer = 1,
                                                     .model = model,
                                                     .sequence_method = spread.method,
                                                     .sequence_inner = spread.inner});
    return [mixer](const Context& context, const Variable& x) { return mixer->forward(context, x); };
  };
  return LayerRun(c, ranks, {.sequence = ranks.size()}).gradients().parameters;
}

// Those that run on 2 ranks as well as on many: all methods, in groups of at most 2 neighbours.
std::vector<Spread> common_spreads(const AttentionCase& c, int ranks) {
  std::vector<Spread> common;
  for (const Spread& spread : spreads(c, ranks)) {
    const bool grouped = spread.method == "double_ring" || spread.method == "ulysses_ring";
    if (spread.inner == (grouped && ranks % 2 == 0 ? 2 : 1)) common.push_back(spread);
  }
  return common;
}

TEST(MoreRanks, DoNotChangeWeightGradients) {
  const int ranks = world().size();
  const Comm one = world().split("self", world().rank(), 0);
  const auto expected = weight_gradients(one, {"ring", 1});
  for (const int size : {ranks, ranks / 2}) {
    if (size == 0 || ranks % size != 0) continue;
    const Comm part = world().split("part", world().rank() / size, world().rank());
    for (const Spread& spread : common_spreads({.mask = {.window = 5}}, size)) {
      for (const auto& [name, gradient] : weight_gradients(part, spread)) {
        EXPECT_LT(distance(gradient, expected.at(name)), 1e-12)
            << name << " by " << spread.method << " over " << size << " ranks";
      }
    }
  }
}

// Root mean square error over all ranks, relative to the root mean square of the exact values.
struct Errors {
  double o, dq, dkv;
};
Errors bfloat16_errors(const AttentionCase& c, const AttentionInputs& in, const AttentionOutcome& exact,
                       const AxisOfWorld& axis, const Spread& spread) {
  const int ranks = axis.all.size();
  const AttentionOutcome got = run_attention(c, in, *make_sequence_method(spread.method, ranks, spread.inner), axis);
  const SequenceShard shard(c.kind, c.T, ranks, axis.all.rank());
  AttentionCase in_float64 = c;
  in_float64.dtype = Dtype::float64;
  const auto error = [&](const Tensor& part, const Tensor& whole) {
    const Values a = to_values(part),
                 b = to_values(local_rows(to_values(whole), in_float64, whole.dim(0), whole.dim(1), shard));
    double wrong = 0, all = 0;
    for (std::size_t i = 0; i < a.size(); ++i) wrong += (a[i] - b[i]) * (a[i] - b[i]), all += b[i] * b[i];
    return std::sqrt(axis.all.all_reduce_value(wrong) / axis.all.all_reduce_value(all));
  };
  return {error(got.o, exact.o), error(got.dq, exact.dq), error(got.dkv, exact.dkv)};
}

TEST(MoreRanks, DoNotMakeBfloat16LessExact) {
  if (world().size() != 8) GTEST_SKIP() << "8 ranks are held against 2";
  AttentionCase c{.H = 8, .Hk = 4, .T = 128, .K = 16, .mask = {.causal = true, .window = 90}};
  AttentionInputs in = random_inputs(c);
  for (Values* x : {&in.q, &in.kv, &in.dout}) {
    for (double& value : *x) value = rounded(value, Dtype::bfloat16);
  }
  const AxisOfWorld alone(world().split("self", world().rank(), 0), 1);
  const AttentionOutcome exact = run_attention(c, in, *make_sequence_method("ring", 1, 1), alone);
  c.dtype = Dtype::bfloat16;
  for (const Spread& spread : common_spreads(c, 8)) {
    const AxisOfWorld eight(world(), spread.inner),
        two(world().split("pair", world().rank() / 2, world().rank()), spread.inner);
    const Errors many = bfloat16_errors(c, in, exact, eight, spread), few = bfloat16_errors(c, in, exact, two, spread);
    EXPECT_LE(many.o, 1.2 * few.o) << spread.method;
    EXPECT_LE(many.dq, 1.2 * few.dq) << spread.method;
    EXPECT_LE(many.dkv, 1.2 * few.dkv) << spread.method;
    EXPECT_GT(few.o, 1e-4) << spread.method;  // of bfloat16 indeed
  }
}

}  // namespace
}  // namespace longspan::testing
