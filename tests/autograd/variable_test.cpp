#include "autograd/variable.hpp"

#include "support/compare.hpp"

namespace longspan::testing {
namespace {

Tensor numbers(const Values& values) { return tensor_as<double>(values, {static_cast<std::int64_t>(values.size())}); }

TEST(Variable, FirstGradientIsKeptAndNotCopied) {
  const Variable x(numbers({1, 2}));
  const Tensor g = numbers({3, 4});
  EXPECT_FALSE(x.gradient().defined());
  x.add_gradient(g);
  EXPECT_EQ(x.gradient().raw(), g.raw());
}

TEST(Variable, AddingToASharedGradientCopiesItFirst) {
  const Variable a(numbers({0, 0})), b(numbers({0, 0}));
  const Tensor g = numbers({3, 4});
  a.add_gradient(g);
  b.add_gradient(g);
  a.add_gradient(numbers({10, 20}));
  EXPECT_EQ(to_values(a.gradient()), (Values{13, 24}));
  EXPECT_EQ(to_values(b.gradient()), (Values{3, 4}));
  EXPECT_EQ(to_values(g), (Values{3, 4}));
}

TEST(Variable, AddingToAnOwnGradientHappensInPlace) {
  const Variable a(numbers({0, 0}));
  a.add_gradient(numbers({3, 4}));
  const void* before = a.gradient().raw();
  a.add_gradient(numbers({1, 1}));
  EXPECT_EQ(a.gradient().raw(), before);
  EXPECT_EQ(to_values(a.gradient()), (Values{4, 5}));
}

TEST(Variable, SlotSaysWhetherItHoldsAGradient) {
  const Variable x(numbers({1, 2}));
  EXPECT_FALSE(x.gradient_slot().accumulate);
  EXPECT_TRUE(x.gradient_slot().accumulate);
}

TEST(Variable, SlotOfASharedGradientIsACopyOfIt) {
  const Variable x(numbers({1, 2}));
  const Tensor g = numbers({3, 4});
  x.add_gradient(g);
  const Variable::Slot slot = x.gradient_slot();
  EXPECT_TRUE(slot.accumulate);
  EXPECT_NE(slot.tensor.raw(), g.raw());
  EXPECT_EQ(to_values(slot.tensor), (Values{3, 4}));
}

TEST(Variable, ParameterAddsIntoTheStorageThatItWasGiven) {
  const Tensor storage = Tensor::zeros({2}, Dtype::float64);
  const Variable w = Variable::parameter(numbers({1, 2}), storage);
  w.add_gradient(numbers({3, 4}));
  w.add_gradient(numbers({3, 4}));
  EXPECT_EQ(w.gradient().raw(), storage.raw());
  EXPECT_EQ(to_values(storage), (Values{6, 8}));
}

TEST(Variable, WithoutNeedOfAGradientKeepsNone) {
  const Variable x(numbers({1, 2}), false);
  x.add_gradient(numbers({3, 4}));
  EXPECT_FALSE(x.gradient().defined());
}

TEST(Variable, TakingTheGradientForgetsIt) {
  const Variable x(numbers({1, 2}));
  x.add_gradient(numbers({3, 4}));
  EXPECT_TRUE(x.take_gradient().sole_owner());
  EXPECT_FALSE(x.gradient().defined());
}

}  // namespace
}  // namespace longspan::testing
