#include "tensor/tensor.hpp"

#include <gmock/gmock.h>

#include "support/compare.hpp"
#include "support/expect_error.hpp"

namespace longspan::testing {
namespace {

Tensor counting(const Shape& shape) {
  Values values(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  return tensor_as<double>(values, shape);
}

TEST(Tensor, SlicesAndReshapesAreViewsOfTheSameStorage) {
  const Tensor t = counting({4, 3});
  const Tensor middle = t.slice(1, 2).reshape({3, 2});
  EXPECT_EQ(to_values(middle), (Values{3, 4, 5, 6, 7, 8}));
  middle.set_zero();
  EXPECT_EQ(to_values(t), (Values{0, 1, 2, 0, 0, 0, 0, 0, 0, 9, 10, 11}));
}

// Threads share the pages; the neighbours stay.
TEST(Tensor, ZerosOfManyPagesEndWhereTheRowsEnd) {
  const std::int64_t cols = 1537;
  const Tensor t = counting({5, cols});
  t.slice(1, 3).set_zero();
  const Values after = to_values(t);
  for (std::int64_t i = 0; i < 5 * cols; ++i) {
    const bool kept = i < cols || i >= 4 * cols;
    ASSERT_EQ(after[i], kept ? static_cast<double>(i) : 0.0) << i;
  }
}

TEST(Tensor, StorageLivesAsLongAsAView) {
  Tensor view;
  {
    const Tensor t = counting({2, 2});
    view = t.slice(1, 1);
    EXPECT_FALSE(t.sole_owner());
  }
  EXPECT_TRUE(view.sole_owner());
  EXPECT_EQ(to_values(view), (Values{2, 3}));
}

TEST(Tensor, EmptySlicesAndTensorsAreAllowed) {
  EXPECT_EQ(counting({4, 3}).slice(4, 0).size(), 0);
  EXPECT_EQ(Tensor::zeros({0, 3}, Dtype::float32).to_host<float>().size(), 0u);
  EXPECT_FALSE(Tensor().defined());
}

TEST(Tensor, ContractsAreChecked) {
  const Tensor t = counting({4, 3});
  EXPECT_THROW(t.slice(3, 2), std::logic_error);
  EXPECT_THROW(t.reshape({5, 3}), std::logic_error);
  EXPECT_THROW(t.data<float>(), std::logic_error);
  EXPECT_THROW(Tensor::from_host(Values{1, 2, 3}, {2, 2}), std::logic_error);
}

TEST(Shape, NegativeDimensionsCountFromTheEnd) {
  const Shape s{2, 3, 4};
  EXPECT_EQ(s[-1], 4);
  EXPECT_EQ(s.rows(), 6);
  EXPECT_EQ(s.size(), 24);
  EXPECT_EQ(s.str(), "[2, 3, 4]");
  EXPECT_THROW(s[3], std::logic_error);
  EXPECT_FALSE(s == (Shape{2, 3}));
}

TEST(Dtype, SizesAndAccumulation) {
  EXPECT_EQ(size_of(Dtype::bfloat16), 2u);
  EXPECT_EQ(size_of(Dtype::int64), 8u);
  EXPECT_EQ(accumulation_dtype(Dtype::bfloat16), Dtype::float32);
  EXPECT_EQ(accumulation_dtype(Dtype::float64), Dtype::float64);
}

TEST(Dtype, UnknownNameListsTheKnownOnes) {
  EXPECT_EQ(parse_float_dtype("bfloat16", "run.dtype"), Dtype::bfloat16);
  EXPECT_EQ(sentence_of([] { parse_float_dtype("half", "run.dtype"); }),
            "run.dtype = 'half' is no element type; use float64, float32 or bfloat16");
}

}  // namespace
}  // namespace longspan::testing
