// Which product goes where on a CPU: float64 to BLAS, large ones and bfloat16 that the processor does not multiply to
// panels of our own, the others to oneDNN.
#include "ops/cpu/matmul_blas.hpp"
#include "ops/cpu/matmul_onednn.hpp"
#include "ops/cpu/matmul_panels.hpp"

namespace longspan::ops::detail {

bool is_fused(const MatrixRef& a, const MatrixRef&, const MatmulOptions&) { return a.dtype != Dtype::float64; }

void multiply(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
              const MatmulOptions& options) {
  if (a.dtype == Dtype::float64) return multiply_float64(size, a, b, c, options);
  if (fits_panels(size, a, options)) return multiply_in_panels(size, a, b, c, options);
  multiply_by_onednn(size, a, b, c, options);
}

}  // namespace longspan::ops::detail
