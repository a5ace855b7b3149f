// cuBLASLt stores matrices by columns. A row-major matrix read by columns is its transpose, so that
//   C^T = op(B)^T op(A)^T
// is asked for, with B in the place of the first factor. Sums are made in float32 (no TF32) or float64. The algorithm
// is chosen once for each set of sizes, strides and fused steps.
#include <cublasLt.h>

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <memory>
#include <unordered_map>

#include "base/error.hpp"
#include "ops/matmul_library.hpp"
#include "tensor/shape_only.hpp"

namespace longspan::ops::detail {
namespace {

// What NVIDIA recommends for Hopper. Every product gets all of it, so that shape-only execution knows the workspace
// without asking for an algorithm.
constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

void check_cublas(cublasStatus_t status, const char* call) {
  LONGSPAN_CHECK(status == CUBLAS_STATUS_SUCCESS, "[matmul] {} failed: {}", call, cublasLtGetStatusString(status));
}

cublasLtHandle_t handle() {
  static const cublasLtHandle_t handle = [] {
    cublasLtHandle_t made = nullptr;
    check_cublas(cublasLtCreate(&made), "cublasLtCreate");
    return made;
  }();
  return handle;
}

cudaDataType_t data_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return CUDA_R_64F;
    case Dtype::float32:
      return CUDA_R_32F;
    default:
      return CUDA_R_16BF;
  }
}

struct Destroy {
  void operator()(cublasLtMatmulDesc_t d) const { cublasLtMatmulDescDestroy(d); }
  void operator()(cublasLtMatrixLayout_t d) const { cublasLtMatrixLayoutDestroy(d); }
  void operator()(cublasLtMatmulPreference_t d) const { cublasLtMatmulPreferenceDestroy(d); }
};
template <class Pointer>
using Owned = std::unique_ptr<std::remove_pointer_t<Pointer>, Destroy>;

using Layout = Owned<cublasLtMatrixLayout_t>;

// The stored matrix, read by columns.
Layout layout_of(const MatrixRef& m, std::int64_t batch) {
  cublasLtMatrixLayout_t made = nullptr;
  check_cublas(cublasLtMatrixLayoutCreate(&made, data_type(m.dtype), static_cast<std::uint64_t>(m.cols),
                                          static_cast<std::uint64_t>(m.rows), std::max(m.leading, m.cols)),
               "cublasLtMatrixLayoutCreate");
  Layout layout(made);
  const auto set = [&](cublasLtMatrixLayoutAttribute_t attribute, const auto& value) {
    check_cublas(cublasLtMatrixLayoutSetAttribute(made, attribute, &value, sizeof(value)),
                 "cublasLtMatrixLayoutSetAttribute");
  };
  set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(batch));
  set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, m.batch_stride);
  return layout;
}

struct Product {
  Owned<cublasLtMatmulDesc_t> description;
  Layout a, b, c;
  cublasLtMatmulAlgo_t algorithm;
};

cublasLtEpilogue_t epilogue(const MatmulOptions& options) {
  const bool gelu = options.activation == Activation::gelu;
  if (options.bias) return gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
  return gelu ? CUBLASLT_EPILOGUE_GELU : CUBLASLT_EPILOGUE_DEFAULT;
}

Owned<cublasLtMatmulDesc_t> describe(const MatrixRef& a, const MatrixRef& b, const MatmulOptions& options) {
  const bool wide = a.dtype == Dtype::float64;
  cublasLtMatmulDesc_t made = nullptr;
  check_cublas(
      cublasLtMatmulDescCreate(&made, wide ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F, wide ? CUDA_R_64F : CUDA_R_32F),
      "cublasLtMatmulDescCreate");
  Owned<cublasLtMatmulDesc_t> description(made);
  const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
    check_cublas(cublasLtMatmulDescSetAttribute(made, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  };
  set(CUBLASLT_MATMUL_DESC_TRANSA, b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_TRANSB, a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue(options));
  if (options.bias) {
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(options.bias->raw()));
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(options.bias->dtype()));
  }
  return description;
}

// The largest power of 2, up to 256, that divides an address.
std::uint32_t alignment_of(const void* data) {
  const auto address = reinterpret_cast<std::uintptr_t>(data) | 256;
  return static_cast<std::uint32_t>(address & (~address + 1));
}

struct Alignments {
  std::uint32_t a, b, c;
  std::int64_t key() const { return static_cast<std::int64_t>(a) << 32 | b << 16 | c; }
};

Product make_product(const MatrixRef& a, const MatrixRef& b, const MatrixRef& c, const MatmulOptions& options,
                     const Alignments& alignments) {
  Product p{.description = describe(a, b, options),
            .a = layout_of(a, options.batch),
            .b = layout_of(b, options.batch),
            .c = layout_of(c, options.batch),
            .algorithm = {}};
  cublasLtMatmulPreference_t made = nullptr;
  check_cublas(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
  const Owned<cublasLtMatmulPreference_t> preference(made);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
    check_cublas(cublasLtMatmulPreferenceSetAttribute(made, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignments.b);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignments.a);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignments.c);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignments.c);
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle(), p.description.get(), p.b.get(), p.a.get(), p.c.get(), p.c.get(), preference.get(), 1, &result, &found);
  if (status != CUBLAS_STATUS_SUCCESS || found == 0) {
    throw EnvironmentError(
        "this GPU has no {} matrix product in cuBLASLt for these sizes ({}); use run.dtype = float32",
        to_string(a.dtype), cublasLtGetStatusString(status));
  }
  p.algorithm = result.algo;
  return p;
}

Product& find_product(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
                      const MatmulOptions& options) {
  static std::unordered_map<ProductKey, Product, ProductKeyHash> products;
  const Alignments alignments{alignment_of(a.data), alignment_of(b.data), alignment_of(c.data)};
  const ProductKey key(size, a, b, c, options, alignments.key());
  const auto found = products.find(key);
  if (found != products.end()) return found->second;
  if (products.size() >= kProductsKept) products.clear();
  return products.emplace(key, make_product(a, b, c, options, alignments)).first->second;
}

template <class Scale>
void run(const Product& p, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c, bool accumulate,
         void* workspace) {
  const Scale one = 1, beta = accumulate ? 1 : 0;
  check_cublas(cublasLtMatmul(handle(), p.description.get(), &one, b.data, p.b.get(), a.data, p.a.get(), &beta, c.data,
                              p.c.get(), c.data, p.c.get(), &p.algorithm, workspace, kWorkspaceBytes,
                              Kokkos::Cuda().cuda_stream()),
               "cublasLtMatmul");
}

}  // namespace

// cuBLASLt has no SiLU, takes a bias of the result's type alone and fuses nothing in float64.
bool is_fused(const MatrixRef& a, const MatrixRef& c, const MatmulOptions& options) {
  return a.dtype != Dtype::float64 && options.activation != Activation::silu &&
         (options.bias == nullptr || options.bias->dtype() == c.dtype);
}

void multiply(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
              const MatmulOptions& options) {
  const ProductWorkspace workspace(kWorkspaceBytes);
  if (shape_only()) return;
  Product& p = find_product(size, a, b, c, options);
  if (options.bias) {
    const void* bias = options.bias->raw();
    check_cublas(
        cublasLtMatmulDescSetAttribute(p.description.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof(bias)),
        "cublasLtMatmulDescSetAttribute");
  }
  const auto start = a.dtype == Dtype::float64 ? run<double> : run<float>;
  start(p, a, b, c, options.accumulate, workspace.data());
}

}  // namespace longspan::ops::detail
