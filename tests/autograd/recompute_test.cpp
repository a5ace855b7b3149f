#include "autograd/recompute.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/gradient_check.hpp"

namespace longspan::testing {
namespace {

constexpr std::int64_t N = 4, D = 6;

const std::vector<Input> kInputs = {{{N, D}}, {{D, D}, true}, {{D}, true}, {{D}, true}};

Tensor row_numbers() { return Tensor::from_host(std::vector<std::int64_t>{4, 5, 6, 7}, {N}); }

// A residual branch with a random mask, on the tape or recomputed.
Function branch(bool recomputed) {
  return [recomputed](Tape& outer, const std::vector<Variable>& v) {
    const Segment segment = [v](Tape& tape, const Variable& x) {
      const Variable h = linear(tape, rms_norm(tape, x, v[2], 1e-5), v[1], v[3]);
      const Variable masked = dropout(tape, activation(tape, ops::Activation::gelu, h), 0.3, 5, row_numbers(), D);
      return add(tape, x, masked);
    };
    return recomputed ? recompute(outer, v[0], segment) : segment(outer, v[0]);
  };
}

TEST(Recompute, GivesTheSameBitsAsKeepingEverything) {
  const std::vector<Values> values = random_inputs(kInputs);
  EXPECT_EQ(loss_of(kInputs, values, branch(true)), loss_of(kInputs, values, branch(false)));
  EXPECT_EQ(tape_gradients(kInputs, values, branch(true)), tape_gradients(kInputs, values, branch(false)));
  EXPECT_EQ(tape_gradients(kInputs, values, branch(true), Passes::apart),
            tape_gradients(kInputs, values, branch(false)));
}

TEST(Recompute, GradientsMatchCentralDifferences) { expect_right_gradients(kInputs, branch(true)); }

// x has a gradient from elsewhere before the segment adds its own.
TEST(Recompute, AddsToTheGradientThatItsInputHas) {
  const auto twice = [](bool recomputed) {
    return [recomputed](Tape& tape, const std::vector<Variable>& v) {
      return add(tape, v[0], branch(recomputed)(tape, v));
    };
  };
  const std::vector<Values> values = random_inputs(kInputs);
  const auto recomputed = tape_gradients(kInputs, values, twice(true));
  const auto kept = tape_gradients(kInputs, values, twice(false));
  EXPECT_LT(distance(recomputed[0], kept[0]), 1e-15);  // the three contributions are added in another order
  EXPECT_EQ(recomputed[1], kept[1]);
}

TEST(Recompute, KeepsOnlyInputAndOutput) {
  const auto kept_bytes = [](bool recomputed) {
    const std::vector<Variable> v = make_variables(kInputs, random_inputs(kInputs));
    const std::size_t before = MemoryPool::instance().total().current;
    Tape tape;
    const Variable y = branch(recomputed)(tape, v);
    return MemoryPool::instance().total().current - before;
  };
  const std::size_t one = N * D * sizeof(double);  // 192 bytes, a size that the pool does not round
  EXPECT_EQ(kept_bytes(true), one);
  EXPECT_GE(kept_bytes(false), 4 * one);
}

}  // namespace
}  // namespace longspan::testing
