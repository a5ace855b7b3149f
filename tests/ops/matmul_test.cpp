#include "ops/matmul.hpp"

#include <gtest/gtest.h>

#include "reference/activation.hpp"
#include "reference/matmul.hpp"
#include "support/compare.hpp"

namespace longspan::testing {
namespace {

using ops::Activation;
using ops::MatmulOptions;
using ops::MatrixRef;

// `batch` matrices with `gap` unused elements after each row and after each matrix.
struct Matrices {
  std::int64_t batch, rows, cols, gap;
  Values values;  // [batch, rows, cols]
  Tensor storage;

  std::int64_t leading() const { return cols + gap; }
  std::int64_t stride() const { return rows * leading() + gap; }
  std::size_t at(std::int64_t b, std::int64_t r, std::int64_t c) const {
    return static_cast<std::size_t>(b * stride() + r * leading() + c);
  }
  Values one(std::int64_t b) const {
    return Values(values.begin() + b * rows * cols, values.begin() + (b + 1) * rows * cols);
  }
  MatrixRef ref(bool transposed = false) const {
    MatrixRef m;
    m.data = storage.raw(), m.dtype = storage.dtype();
    m.rows = rows, m.cols = cols, m.leading = leading(), m.batch_stride = stride(), m.transposed = transposed;
    return m;
  }
};

constexpr double kUnused = 7;

Matrices make_matrices(std::int64_t batch, std::int64_t rows, std::int64_t cols, std::int64_t gap, Dtype dtype,
                       const Values& values) {
  Matrices m{batch, rows, cols, gap, values, {}};
  Values all(static_cast<std::size_t>(batch * m.stride()), kUnused);
  for (std::int64_t b = 0, i = 0; b < batch; ++b) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < cols; ++c) all[m.at(b, r, c)] = m.values[i++];
    }
  }
  m.storage = to_tensor(all, {static_cast<std::int64_t>(all.size())}, dtype);
  return m;
}

Matrices make_matrices(std::int64_t batch, std::int64_t rows, std::int64_t cols, std::int64_t gap, Dtype dtype,
                       std::uint64_t key) {
  return make_matrices(batch, rows, cols, gap, dtype, random_values(batch * rows * cols, key, dtype));
}

double activated(double x, Activation kind) {
  return kind == Activation::gelu ? reference::gelu(x) : kind == Activation::silu ? reference::silu(x) : x;
}

struct Size {
  std::int64_t m, n, k;
};
struct Case {
  Dtype dtype, result;
  bool a_transposed, b_transposed, bias, accumulate;
  Activation activation;
  std::int64_t batch, gap;
};

void expect_reference(const Size& s, const Case& c) {
  const auto a = c.a_transposed ? make_matrices(c.batch, s.k, s.m, c.gap, c.dtype, 1)
                                : make_matrices(c.batch, s.m, s.k, c.gap, c.dtype, 1);
  const auto b = c.b_transposed ? make_matrices(c.batch, s.n, s.k, c.gap, c.dtype, 2)
                                : make_matrices(c.batch, s.k, s.n, c.gap, c.dtype, 2);
  const Values nothing(static_cast<std::size_t>(c.batch * s.m * s.n), std::nan(""));  // must not be read
  const auto out = make_matrices(c.batch, s.m, s.n, c.gap, c.result,
                                 c.accumulate ? random_values(c.batch * s.m * s.n, 3, c.result) : nothing);
  const Values bias = random_values(s.n, 4, c.dtype);
  const Tensor bias_tensor = to_tensor(bias, {s.n}, c.dtype);

  Values expected(static_cast<std::size_t>(out.storage.size()), kUnused);
  for (std::int64_t i = 0; i < c.batch; ++i) {
    const Values product = reference::matmul(a.one(i), c.a_transposed, b.one(i), c.b_transposed, s.m, s.n, s.k);
    const Values before = out.one(i);
    for (std::int64_t r = 0; r < s.m; ++r) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        const double sum = product[r * s.n + j] + (c.bias ? bias[j] : 0) + (c.accumulate ? before[r * s.n + j] : 0);
        expected[out.at(i, r, j)] = activated(sum, c.activation);
      }
    }
  }
  MatmulOptions options;
  options.bias = c.bias ? &bias_tensor : nullptr;
  options.activation = c.activation;
  options.accumulate = c.accumulate;
  options.batch = c.batch;
  ops::matmul(a.ref(c.a_transposed), b.ref(c.b_transposed), out.ref(), options);
  expect_close("c", out.storage, expected);
}

const std::vector<Size> kSmall = {{1, 1, 1}, {31, 33, 256}, {33, 1, 31}, {1, 256, 33}, {256, 31, 1}};
// Beyond the pieces in which large products are made, in each dimension; even and odd.
const std::vector<Size> kLarge = {{1300, 40, 1100}, {71, 1111, 451}, {40, 6200, 137}};

void expect_reference_in_all_forms(const std::vector<Size>& sizes, Dtype dtype, Dtype result) {
  for (const Size& s : sizes) {
    for (const int form : {0, 1, 2, 3}) {
      for (const std::int64_t batch :
           &sizes == &kSmall ? std::vector<std::int64_t>{1, 3} : std::vector<std::int64_t>{1}) {
        SCOPED_TRACE(std::format("m {} n {} k {} transposes {} batch {}", s.m, s.n, s.k, form, batch));
        Case c{dtype, result,           (form & 1) != 0, (form & 2) != 0,   false,
               false, Activation::none, batch,           batch == 1 ? 0 : 5};
        expect_reference(s, c);
        c.accumulate = true;
        expect_reference(s, c);
        c.accumulate = false, c.bias = true;
        expect_reference(s, c);
        c.activation = Activation::gelu;
        expect_reference(s, c);
        c.activation = Activation::silu, c.bias = false;
        expect_reference(s, c);
      }
    }
  }
}

TEST(Matmul, Float64MatchesReference) { expect_reference_in_all_forms(kSmall, Dtype::float64, Dtype::float64); }
TEST(Matmul, Float32MatchesReference) { expect_reference_in_all_forms(kSmall, Dtype::float32, Dtype::float32); }
TEST(Matmul, Bfloat16MatchesReference) { expect_reference_in_all_forms(kSmall, Dtype::bfloat16, Dtype::bfloat16); }
TEST(Matmul, Bfloat16ToFloat32KeepsTheSumsPrecision) {
  expect_reference_in_all_forms(kSmall, Dtype::bfloat16, Dtype::float32);
}

TEST(Matmul, LargeFloat32MatchesReference) { expect_reference_in_all_forms(kLarge, Dtype::float32, Dtype::float32); }
TEST(Matmul, LargeBfloat16MatchesReference) { expect_reference_in_all_forms(kLarge, Dtype::bfloat16, Dtype::bfloat16); }
TEST(Matmul, LargeBfloat16ToFloat32MatchesReference) {
  expect_reference_in_all_forms(kLarge, Dtype::bfloat16, Dtype::float32);
}

TEST(Matmul, OneMatrixServesAWholeBatch) {
  for (const Dtype dtype : kFloatDtypes) {
    const auto a = make_matrices(3, 5, 7, 2, dtype, 1), b = make_matrices(1, 7, 9, 2, dtype, 2),
               c = make_matrices(3, 5, 9, 0, dtype, 3);
    MatrixRef shared = b.ref();
    shared.batch_stride = 0;
    MatmulOptions options;
    options.batch = 3;
    ops::matmul(a.ref(), shared, c.ref(), options);
    Values expected;
    for (std::int64_t i = 0; i < 3; ++i) {
      const Values product = reference::matmul(a.one(i), false, b.values, false, 5, 9, 7);
      expected.insert(expected.end(), product.begin(), product.end());
    }
    expect_close("c", c.storage, expected);
  }
}

TEST(Matmul, AnEmptyInnerDimensionGivesZerosOrTheBias) {
  for (const Dtype dtype : kFloatDtypes) {
    const Tensor a = Tensor::empty({3, 0}, dtype), b = Tensor::empty({0, 2}, dtype);
    const Tensor c = to_tensor({1, 2, 3, 4, 5, 6}, {3, 2}, dtype), bias = to_tensor({-1, 2}, {2}, dtype);
    MatmulOptions options;
    options.accumulate = true;
    ops::matmul(MatrixRef(a), MatrixRef(b), MatrixRef(c), options);
    expect_close("accumulated", c, {1, 2, 3, 4, 5, 6});
    options = {};
    options.bias = &bias;
    options.activation = Activation::silu;
    ops::matmul(MatrixRef(a), MatrixRef(b), MatrixRef(c), options);
    const double low = reference::silu(-1), high = reference::silu(2);
    expect_close("bias", c, {low, high, low, high, low, high});
    ops::matmul(MatrixRef(a), MatrixRef(b), MatrixRef(c));
    expect_close("zeros", c, Values(6, 0.0));
  }
}

TEST(Matmul, EmptyResultsAreAllowed) {
  for (const Dtype dtype : kFloatDtypes) {
    const Tensor none = Tensor::empty({0, 4}, dtype), b = Tensor::zeros({4, 3}, dtype);
    ops::matmul(MatrixRef(none), MatrixRef(b), MatrixRef(Tensor::empty({0, 3}, dtype)));
    ops::matmul(MatrixRef(b).t(), MatrixRef(none).t(), MatrixRef(Tensor::empty({3, 0}, dtype)));
  }
}

TEST(Matmul, CountsItsOperations) {
  const Tensor a = Tensor::zeros({3, 5}, Dtype::float32), b = Tensor::zeros({5, 7}, Dtype::float32),
               c = Tensor::zeros({3, 7}, Dtype::float32);
  const double before = ops::matmul_flops();
  ops::matmul(MatrixRef(a), MatrixRef(b), MatrixRef(c));
  EXPECT_EQ(ops::matmul_flops() - before, 2.0 * 3 * 5 * 7);
  EXPECT_GT(ops::measure_matrix_rate(Dtype::float32, 64, 64, 64, 0.01), 0);
  EXPECT_EQ(ops::matmul_flops() - before, 2.0 * 3 * 5 * 7);
}

TEST(Matmul, WrongArgumentsThrow) {
  const Tensor a = Tensor::zeros({3, 5}, Dtype::float32), b = Tensor::zeros({5, 7}, Dtype::float32),
               c = Tensor::zeros({3, 7}, Dtype::float32), wide = Tensor::zeros({3, 7}, Dtype::float64),
               index = Tensor::zeros({5, 7}, Dtype::int32);
  const auto multiply = [](const Tensor& x, const Tensor& y, const MatrixRef& z, const MatmulOptions& options = {}) {
    ops::matmul(MatrixRef(x), MatrixRef(y), z, options);
  };
  EXPECT_THROW(multiply(a, a, MatrixRef(c)), std::logic_error);
  EXPECT_THROW(multiply(a, b, MatrixRef(b)), std::logic_error);
  EXPECT_THROW(multiply(a, b, MatrixRef(c).t()), std::logic_error);
  EXPECT_THROW(multiply(a, b, MatrixRef(wide)), std::logic_error);
  EXPECT_THROW(multiply(a, index, MatrixRef(c)), std::logic_error);
  MatmulOptions options;
  options.bias = &a;
  EXPECT_THROW(multiply(a, b, MatrixRef(c), options), std::logic_error);
  options = {};
  options.accumulate = true, options.activation = Activation::gelu;
  EXPECT_THROW(multiply(a, b, MatrixRef(c), options), std::logic_error);
  options = {};
  options.batch = 2;
  EXPECT_THROW(multiply(a, b, MatrixRef(c), options), std::logic_error);
}

}  // namespace
}  // namespace longspan::testing
