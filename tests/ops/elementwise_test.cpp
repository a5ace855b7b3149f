#include "ops/elementwise.hpp"

#include "support/compare.hpp"

namespace longspan::testing {
namespace {

const std::vector<Shape> kShapes = {{1}, {31}, {3, 33}, {2, 5, 256}, {101, 97}};

TEST(Elementwise, ArithmeticMatchesReference) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(std::format("{} {}", to_string(dtype), shape.str()));
      const Values x = random_values(shape.size(), 1, dtype), y = random_values(shape.size(), 2, dtype);
      const Tensor a = to_tensor(x, shape, dtype), b = to_tensor(y, shape, dtype), c = Tensor::empty(shape, dtype);
      Values sum(x), scaled(x);
      for (std::size_t i = 0; i < x.size(); ++i) sum[i] += y[i], scaled[i] *= -1.5;
      ops::add(a, b, c);
      expect_close("sum", c, sum);
      ops::add(a, b, b);
      expect_close("sum in place", b, sum);
      ops::scale(a, -1.5);
      expect_close("scaled", a, scaled);
      Values product(y);
      for (std::size_t i = 0; i < y.size(); ++i) product[i] = sum[i] * y[i];
      const Tensor d = to_tensor(y, shape, dtype);
      ops::multiply_elements(c, d);
      expect_close("product", d, product);
      ops::fill(a, 0.375);
      expect_close("filled", a, Values(x.size(), 0.375));
    }
  }
}

TEST(Elementwise, CopyAndAddScaledConvertBetweenAllDtypes) {
  for (const Dtype from : kFloatDtypes) {
    for (const Dtype to : kFloatDtypes) {
      for (const Shape& shape : kShapes) {
        SCOPED_TRACE(std::format("{} to {} {}", to_string(from), to_string(to), shape.str()));
        const Values x = random_values(shape.size(), 1, from), y = random_values(shape.size(), 2, to);
        const Tensor a = to_tensor(x, shape, from), b = to_tensor(y, shape, to), c = Tensor::empty(shape, to);
        Values copied(x), sum(y);
        for (std::size_t i = 0; i < x.size(); ++i) copied[i] = rounded(x[i], to), sum[i] += 0.25 * x[i];
        ops::copy(a, c);
        EXPECT_EQ(to_values(c), copied);
        ops::add_scaled(a, 0.25, b);
        expect_close("sum", b, sum);
      }
    }
  }
}

TEST(Elementwise, CopyColumnsTakesABlock) {
  for (const Dtype dtype : kFloatDtypes) {
    const Values x = random_values(3 * 33, 1, dtype);
    const Tensor to = Tensor::empty({3, 5}, dtype);
    ops::copy_columns(to_tensor(x, {3, 33}, dtype), 20, to);
    Values expected;
    for (int r = 0; r < 3; ++r) expected.insert(expected.end(), x.begin() + r * 33 + 20, x.begin() + r * 33 + 25);
    EXPECT_EQ(to_values(to), expected);
  }
}

TEST(Elementwise, WriteColumnsPutsABlockBack) {
  for (const Dtype dtype : kFloatDtypes) {
    const Values x = random_values(3 * 33, 1, dtype), y = random_values(3 * 5, 2, dtype);
    const Tensor to = to_tensor(x, {3, 33}, dtype);
    ops::write_columns(to_tensor(y, {3, 5}, dtype), to, 20);
    Values expected = x;
    for (int r = 0; r < 3; ++r) std::copy_n(y.begin() + r * 5, 5, expected.begin() + r * 33 + 20);
    EXPECT_EQ(to_values(to), expected);
  }
}

TEST(Elementwise, ReductionsMatchReference) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const Shape& shape : kShapes) {
      SCOPED_TRACE(std::format("{} {}", to_string(dtype), shape.str()));
      const Values x = random_values(shape.size(), 1, dtype);
      const Tensor t = to_tensor(x, shape, dtype);
      const std::int64_t cols = shape[-1];
      Values columns(cols, 1.0);
      double squares = 0, largest = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        columns[i % cols] += x[i], squares += x[i] * x[i], largest = std::max(largest, std::abs(x[i]));
      }
      const Tensor sums = to_tensor(Values(cols, 1.0), {cols}, accumulation_dtype(dtype));
      ops::add_column_sums(t, sums);
      expect_close("column sums", sums, columns);
      EXPECT_NEAR(ops::sum_of_squares({t}), squares, 1e-13 * squares);
      EXPECT_EQ(ops::max_absolute({t}), largest);
      EXPECT_TRUE(ops::all_finite(t));
    }
  }
}

TEST(Elementwise, ANumberThatIsNotFiniteIsFoundAnywhere) {
  for (const Dtype dtype : kFloatDtypes) {
    for (const double bad : {static_cast<double>(INFINITY), -static_cast<double>(INFINITY), std::nan("")}) {
      for (const std::size_t at : {0, 77, 4096, 9999}) {
        Values x(10000, 1.0);
        x[at] = bad;
        const Tensor t = to_tensor(x, {10000}, dtype);
        EXPECT_FALSE(ops::all_finite(t));
        EXPECT_EQ(ops::max_absolute({t}), INFINITY);
      }
    }
  }
}

TEST(FillNormal, EveryBlockOfTheLogicalMatrixGetsItsOwnValues) {
  const std::int64_t rows = 12, cols = 40;
  const std::uint64_t key = 99;
  for (const Dtype dtype : kFloatDtypes) {
    for (const std::int64_t first : {0, 3, 13}) {
      const Tensor block = Tensor::empty({5, 27}, dtype);
      ops::fill_normal(block, key, 0.02, cols, 4, {0, first, 27});
      Values expected;
      for (std::int64_t r = 4; r < 9; ++r) {
        for (std::int64_t c = first; c < first + 27; ++c) {
          expected.push_back(rounded(0.02 * normal_double(key, static_cast<std::uint64_t>(r * cols + c)), dtype));
        }
      }
      expect_close("block", block, expected);
    }
  }
  const Tensor whole = Tensor::empty({rows, cols}, Dtype::float64);
  ops::fill_normal(whole, key, 2.0, cols, 0, {0, 0, cols});
  EXPECT_NEAR(ops::sum_of_squares({whole}) / whole.size(), 4, 1);
}

TEST(FillNormal, RunsOfColumnsMeetInOneMatrix) {
  const std::int64_t cols = 9;
  const Tensor whole = Tensor::empty({2, cols}, Dtype::float64), part = Tensor::empty({2, 5}, Dtype::float64);
  ops::fill_normal(whole, 7, 1.0, cols, 0, {0, 0, cols});
  ops::fill_normal(part, 7, 1.0, cols, 0, {.row = 0, .first = 1, .count = 2});
  ops::fill_normal(part, 7, 1.0, cols, 0, {.row = 2, .first = 4, .count = 3, .stride = 2});
  const Values all = to_values(whole), mine = to_values(part);
  const std::vector<std::size_t> at = {1, 2, 4, 6, 8};
  for (std::size_t r = 0; r < 2; ++r) {
    for (std::size_t c = 0; c < at.size(); ++c) EXPECT_EQ(mine[r * 5 + c], all[r * 9 + at[c]]);
  }
}

TEST(Elementwise, EmptyIsAllowedAndWrongShapesThrow) {
  const Tensor none = Tensor::empty({0, 4}, Dtype::float32), four = Tensor::zeros({1, 4}, Dtype::float32),
               column = Tensor::zeros({4, 1}, Dtype::float32), index = Tensor::zeros({1, 4}, Dtype::int32),
               sums = to_tensor({1, 2, 3, 4}, {4}, Dtype::float32);
  ops::fill(none, 1);
  ops::copy(none, none);
  ops::add(none, none, none);
  ops::add_scaled(none, 1, none);
  ops::scale(none, 1);
  ops::fill_normal(none, 1, 1, 4, 0, {0, 0, 4});
  ops::add_column_sums(none, sums);
  expect_close("sums", sums, {1, 2, 3, 4});
  EXPECT_EQ(ops::sum_of_squares({none}), 0);
  EXPECT_EQ(ops::max_absolute({none}), 0);
  EXPECT_TRUE(ops::all_finite(none));
  EXPECT_THROW(ops::copy(none, four), std::logic_error);
  EXPECT_THROW(ops::add(four, four, none), std::logic_error);
  EXPECT_THROW(ops::add_scaled(four, 1, column), std::logic_error);
  EXPECT_THROW(ops::copy_columns(four, 2, four), std::logic_error);
  EXPECT_THROW(ops::add_column_sums(four, column.slice(0, 3)), std::logic_error);
  EXPECT_THROW(ops::fill_normal(four, 1, 1, 3, 0, {0, 0, 4}), std::logic_error);
  EXPECT_THROW(ops::fill_normal(four, 1, 1, 8, 0, {1, 0, 4}), std::logic_error);
  EXPECT_THROW(ops::scale(index, 2), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
