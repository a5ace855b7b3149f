// Large products of float32 and bfloat16 matrices in panels (panels.hpp).
#pragma once

#include "ops/matmul_library.hpp"

namespace longspan::ops::detail {

// Whether multiply_in_panels takes a product: the build has the vectors, and it is one matrix, large enough to
// outweigh its packing.
bool fits_panels(const MatmulSize& size, const MatrixRef& a, const MatmulOptions& options);

// As `multiply` (matmul_library.hpp), with fused steps.
void multiply_in_panels(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                        const MatmulOptions& options);

}  // namespace longspan::ops::detail
