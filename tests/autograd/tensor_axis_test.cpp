#include "autograd/functions/tensor_axis.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/gradient_check.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

constexpr std::int64_t N = 3, D = 4;

double sum_of_ranks() { return world().size() * (world().size() + 1) / 2.0; }
double mine() { return world().rank() + 1; }

Tensor filled(double value) { return tensor_as<double>(Values(N * D, value), {N, D}); }

TEST(TensorRegion, EnteringKeepsTheValueAndSumsTheGradient) {
  Tape tape;
  const Variable x(filled(5));
  const Variable y = enter_tensor_region(tape, x, world());
  EXPECT_EQ(to_values(y.value()), Values(N * D, 5.0));
  y.set_gradient(filled(mine()));
  tape.backward();
  EXPECT_EQ(to_values(x.gradient().defined() ? x.gradient() : y.gradient()), Values(N * D, sum_of_ranks()));
}

TEST(TensorRegion, EnteringDoesNotChangeAGradientThatSomebodyElseHolds) {
  Tape tape;
  const Variable x(filled(5));
  const Variable y = enter_tensor_region(tape, x, world());
  const Tensor held = filled(mine());
  y.set_gradient(held);
  tape.backward();
  EXPECT_EQ(to_values(held), Values(N * D, mine()));
}

TEST(TensorRegion, LeavingSumsTheValueAndKeepsTheGradient) {
  Tape tape;
  const Variable x(filled(mine()));
  const Variable y = leave_tensor_region(tape, x, world());
  EXPECT_EQ(to_values(y.value()), Values(N * D, sum_of_ranks()));
  y.set_gradient(filled(7));
  tape.backward();
  EXPECT_EQ(to_values(x.gradient()), Values(N * D, 7.0));
}

TEST(TensorRegion, OfOneRankIsTheVariableItself) {
  const Comm self = world().split("self", world().rank(), 0);
  Tape tape;
  const Variable x(filled(5));
  EXPECT_EQ(enter_tensor_region(tape, x, self).value().raw(), x.value().raw());
  EXPECT_EQ(leave_tensor_region(tape, x, self).value().raw(), x.value().raw());
  EXPECT_EQ(tape.size(), 0u);
}

// Inside, each rank scales by its own number: y = (sum of the ranks' numbers) x + x, so dx = (1 + sum) dy everywhere.
TEST(TensorRegion, ResidualRoundARegionHasTheWholeGradient) {
  const std::vector<Input> inputs = {{{N, D}}};
  const Function function = [](Tape& tape, const std::vector<Variable>& v) {
    Values scaled_identity(D * D, 0.0);
    for (std::int64_t i = 0; i < D; ++i) scaled_identity[i * (D + 1)] = mine();
    const Variable w =
        Variable::parameter(tensor_as<double>(scaled_identity, {D, D}), Tensor::zeros({D, D}, Dtype::float64));
    const Variable inside = linear(tape, enter_tensor_region(tape, v[0], world()), w);
    return add(tape, v[0], leave_tensor_region(tape, inside, world()));
  };
  Values expected = random_values(N * D, 7);
  for (double& g : expected) g *= 1 + sum_of_ranks();
  EXPECT_LT(distance(tape_gradients(inputs, random_inputs(inputs), function)[0], expected), 1e-14);
  expect_right_gradients(inputs, function);
}

}  // namespace
}  // namespace longspan::testing
