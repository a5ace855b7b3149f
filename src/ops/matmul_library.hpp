// What matmul asks of the device's matrix library; arguments are checked and m, n, k, batch > 0. The files in ops/cpu/
// answer with oneDNN and BLAS.
#pragma once

#include "ops/matmul.hpp"

namespace longspan::ops::detail {

struct MatmulSize {
  std::int64_t m, n, k;
};

// float32 or bfloat16: c = act(op(a) op(b) + bias), or c += op(a) op(b).
void matmul_fused(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                  const MatmulOptions& options);

// float64: c = op(a) op(b) + beta c.
void matmul_float64(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c, double beta,
                    std::int64_t batch);

}  // namespace longspan::ops::detail
