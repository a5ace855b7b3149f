// Matrix products. On CPUs: oneDNN for float32 and bfloat16, BLAS for float64. Results are summed in the accumulation
// type; a bfloat16 product may be written to a float32 result.
#pragma once

#include <cstdint>

#include "tensor/tensor.hpp"

namespace longspan::ops {

enum class Activation { none, gelu, silu };  // gelu: the tanh form

// One matrix, or `batch` matrices `batch_stride` elements apart, inside storage that somebody else keeps alive.
// Row-major with `leading` elements from a row to the next. `transposed`: the product uses its transpose.
struct MatrixRef {
  void* data = nullptr;
  Dtype dtype = Dtype::float32;
  std::int64_t rows = 0, cols = 0, leading = 0, batch_stride = 0;
  bool transposed = false;

  MatrixRef() = default;
  // All rows of t by its last dimension.
  explicit MatrixRef(const Tensor& t);
  MatrixRef t() const {
    MatrixRef m = *this;
    m.transposed = !m.transposed;
    return m;
  }
};

struct MatmulOptions {
  const Tensor* bias = nullptr;              // [n], dtype of a; added to every row
  Activation activation = Activation::none;  // applied after the bias
  bool accumulate = false;                   // c += a b instead of c = a b (no bias, no activation then)
  std::int64_t batch = 1;
};

// c = act(op(a) op(b) + bias): [m, k] x [k, n] -> [m, n]. Empty matrices are allowed (k = 0 gives zeros or the bias).
void matmul(const MatrixRef& a, const MatrixRef& b, const MatrixRef& c, const MatmulOptions& options = {});

// Floating-point operations done by matmul in this process so far (2 m n k each).
double matmul_flops();

// The matrix rate of this process, FLOP/s, measured on an m x k by k x n product for at least `seconds`.
double measure_matrix_rate(Dtype dtype, std::int64_t m, std::int64_t n, std::int64_t k, double seconds = 0.2);

}  // namespace longspan::ops
