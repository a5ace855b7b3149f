#include "ops/cpu/matmul_blas.hpp"

#include <cblas.h>

#include <limits>

#include "base/error.hpp"
#include "tensor/shape_only.hpp"

namespace longspan::ops::detail {
namespace {

int blas_int(std::int64_t n) {
  LONGSPAN_CHECK(n <= std::numeric_limits<int>::max(), "[matmul] {} does not fit a BLAS integer", n);
  return static_cast<int>(n);
}

CBLAS_TRANSPOSE blas_transpose(const MatrixRef& m) { return m.transposed ? CblasTrans : CblasNoTrans; }

}  // namespace

void multiply_float64(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                      const MatmulOptions& options) {
  if (shape_only()) return;
  const double beta = options.accumulate ? 1 : 0;
  for (std::int64_t i = 0; i < options.batch; ++i) {
    cblas_dgemm(CblasRowMajor, blas_transpose(a), blas_transpose(b), blas_int(size.m), blas_int(size.n),
                blas_int(size.k), 1.0, static_cast<const double*>(a.data) + i * a.batch_stride, blas_int(a.leading),
                static_cast<const double*>(b.data) + i * b.batch_stride, blas_int(b.leading), beta,
                static_cast<double*>(c.data) + i * c.batch_stride, blas_int(c.leading));
  }
}

}  // namespace longspan::ops::detail
