// float32 and bfloat16 products of any size by oneDNN, which compiles a kernel for each size it meets. (bfloat16 only
// where the processor multiplies them.)
#pragma once

#include "ops/matmul_library.hpp"

namespace longspan::ops::detail {

// As `multiply` (matmul_library.hpp), with fused steps.
void multiply_by_onednn(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                        const MatmulOptions& options);

}  // namespace longspan::ops::detail
