// Products of float32 and bfloat16 matrices in panels (panels.hpp).
#pragma once

#include "ops/matmul_library.hpp"

namespace longspan::ops::detail {

// Whether multiply_in_panels is the way for a product: of one matrix, large enough to outweigh its packing; of any
// bfloat16 where the processor does not multiply them, as oneDNN may have no product of them there.
bool fits_panels(const MatmulSize& size, const MatrixRef& a, const MatmulOptions& options);

// As `multiply` (matmul_library.hpp), with fused steps.
void multiply_in_panels(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                        const MatmulOptions& options);

}  // namespace longspan::ops::detail
