// Every tape function of the dense operations: its gradients in float64 against central differences, and its input and
// weight parts run apart against both run together.
#include "autograd/functions/basic.hpp"

#include "autograd/gradient_check.hpp"

namespace longspan::testing {
namespace {

constexpr std::int64_t B = 2, T = 3, D = 5, F = 4;

Input rows(std::int64_t width = D) { return {{B, T, width}}; }
Input weight(const Shape& shape) { return {shape, true}; }

TEST(Functions, ColumnsSplitAndUsedTwiceOrNotAtAll) {
  expect_right_gradients({{{2, 3, 7}}}, [](Tape& t, const std::vector<Variable>& x) {
    const std::vector<Variable> parts = split_columns(t, x[0], {2, 3, 2});
    return add(t, add(t, parts[0], parts[2]), parts[0]);
  });
}

TEST(Functions, LinearWithBias) {
  expect_right_gradients({rows(), weight({F, D}), weight({F})},
                         [](Tape& tape, const auto& v) { return linear(tape, v[0], v[1], v[2]); });
}

TEST(Functions, LinearWithoutBias) {
  expect_right_gradients({rows(), weight({F, D})}, [](Tape& tape, const auto& v) { return linear(tape, v[0], v[1]); });
}

TEST(Functions, LinearOnNoOutputs) {
  const std::vector<Input> inputs = {rows(), weight({0, D})};
  const auto gradients =
      tape_gradients(inputs, random_inputs(inputs), [](Tape& tape, const auto& v) { return linear(tape, v[0], v[1]); });
  EXPECT_EQ(gradients[0], Values(B * T * D, 0.0));
}

TEST(Functions, Add) {
  expect_right_gradients({rows(), rows()}, [](Tape& tape, const auto& v) { return add(tape, v[0], v[1]); });
}

TEST(Functions, AddOfAVariableToItself) {
  expect_right_gradients({rows()}, [](Tape& tape, const auto& v) { return add(tape, v[0], v[0]); });
}

TEST(Functions, Activations) {
  for (const auto kind : {ops::Activation::gelu, ops::Activation::silu}) {
    expect_right_gradients({rows()}, [kind](Tape& tape, const auto& v) { return activation(tape, kind, v[0]); });
  }
}

TEST(Functions, Swiglu) {
  expect_right_gradients({rows(), rows()}, [](Tape& tape, const auto& v) { return swiglu(tape, v[0], v[1]); });
}

TEST(Functions, LayerNorm) {
  expect_right_gradients({rows(), weight({D}), weight({D})},
                         [](Tape& tape, const auto& v) { return layer_norm(tape, v[0], v[1], v[2], 1e-5); });
}

TEST(Functions, RmsNorm) {
  expect_right_gradients({rows(), weight({D})},
                         [](Tape& tape, const auto& v) { return rms_norm(tape, v[0], v[1], 1e-5); });
}

// A table that holds rows 3 to 8 of a larger one: other indices give zero and no gradient.
TEST(Functions, EmbeddingOfAPartOfTheTable) {
  const Tensor index = Tensor::from_host(std::vector<std::int32_t>{3, 8, 0, 5, 5, 11}, {B, T});
  expect_right_gradients({weight({6, D})}, [&](Tape& tape, const auto& v) { return embedding(tape, v[0], index, 3); });
}

TEST(Functions, Dropout) {
  const Tensor numbers = Tensor::from_host(std::vector<std::int64_t>{0, 1, 2, 7, 8, 9}, {B * T});
  expect_right_gradients({rows()}, [&](Tape& tape, const auto& v) { return dropout(tape, v[0], 0.4, 99, numbers, D); });
}

TEST(Functions, DropoutOfRateZeroIsTheVariableItself) {
  Tape tape;
  const Variable x(Tensor::zeros({2, D}, Dtype::float64));
  EXPECT_EQ(dropout(tape, x, 0, 1, Tensor(), D).value().raw(), x.value().raw());
  EXPECT_EQ(tape.size(), 0u);
}

// The residual's shape: x goes straight on and through two branches, each of which writes its gradient its own way.
TEST(Functions, ResidualBranchesThatShareOneInput) {
  expect_right_gradients({rows(), weight({D}), weight({D, D})}, [](Tape& tape, const auto& v) {
    const Variable branch = activation(tape, ops::Activation::gelu, rms_norm(tape, v[0], v[1], 1e-5));
    const Variable sum = add(tape, v[0], branch);
    return add(tape, sum, activation(tape, ops::Activation::silu, linear(tape, sum, v[2])));
  });
}

// Both operands of an addition get the same tensor as their gradient; the in-place activation must not spoil the other.
TEST(Functions, InPlaceBackwardLeavesASharedGradientAlone) {
  expect_right_gradients({rows(), rows()}, [](Tape& tape, const auto& v) {
    return add(tape, activation(tape, ops::Activation::gelu, v[0]), activation(tape, ops::Activation::silu, v[1]));
  });
}

}  // namespace
}  // namespace longspan::testing
