// hipBLAS stores matrices by columns. A row-major matrix read by columns is its transpose, so that
//   C^T = op(B)^T op(A)^T
// is asked for, with B in the place of the first factor. Sums are made in float32 or float64. Bias and activation are
// steps of matmul's own. Written by hipBLAS' documentation (its interface of version 2 and later), not compiled yet.
#define HIPBLAS_V2
#include <hipblas/hipblas.h>

#include <Kokkos_Core.hpp>
#include <algorithm>

#include "base/error.hpp"
#include "ops/matmul_library.hpp"
#include "tensor/shape_only.hpp"

namespace longspan::ops::detail {
namespace {

void check_hipblas(hipblasStatus_t status, const char* call) {
  LONGSPAN_CHECK(status == HIPBLAS_STATUS_SUCCESS, "[matmul] {} failed: {}", call, hipblasStatusToString(status));
}

hipblasHandle_t handle() {
  static const hipblasHandle_t handle = [] {
    hipblasHandle_t made = nullptr;
    check_hipblas(hipblasCreate(&made), "hipblasCreate");
    check_hipblas(hipblasSetStream(made, Kokkos::HIP().hip_stream()), "hipblasSetStream");
    return made;
  }();
  return handle;
}

hipDataType data_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return HIP_R_64F;
    case Dtype::float32:
      return HIP_R_32F;
    default:
      return HIP_R_16BF;
  }
}

int blas_int(std::int64_t n) { return static_cast<int>(std::max<std::int64_t>(n, 1)); }

template <class Scale>
void run(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
         const MatmulOptions& options, hipblasComputeType_t sums) {
  const Scale one = 1, beta = options.accumulate ? 1 : 0;
  check_hipblas(
      hipblasGemmStridedBatchedEx(
          handle(), b.transposed ? HIPBLAS_OP_T : HIPBLAS_OP_N, a.transposed ? HIPBLAS_OP_T : HIPBLAS_OP_N,
          blas_int(size.n), blas_int(size.m), blas_int(size.k), &one, b.data, data_type(b.dtype), blas_int(b.leading),
          b.batch_stride, a.data, data_type(a.dtype), blas_int(a.leading), a.batch_stride, &beta, c.data,
          data_type(c.dtype), blas_int(c.leading), c.batch_stride, blas_int(options.batch), sums, HIPBLAS_GEMM_DEFAULT),
      "hipblasGemmStridedBatchedEx");
}

}  // namespace

bool is_fused(const MatrixRef&, const MatrixRef&, const MatmulOptions&) { return false; }

void multiply(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
              const MatmulOptions& options) {
  if (shape_only()) return;
  if (a.dtype == Dtype::float64) {
    run<double>(size, a, b, c, options, HIPBLAS_COMPUTE_64F);
  } else {
    run<float>(size, a, b, c, options, HIPBLAS_COMPUTE_32F);
  }
}

}  // namespace longspan::ops::detail
