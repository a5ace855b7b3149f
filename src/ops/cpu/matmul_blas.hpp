// float64 products; oneDNN has none.
#pragma once

#include "ops/matmul_library.hpp"

namespace longspan::ops::detail {

void multiply_float64(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                      const MatmulOptions& options);

}  // namespace longspan::ops::detail
