// What matmul asks of the device's matrix library; arguments are checked and m, n, k, batch > 0. The files in ops/cpu/
// answer with oneDNN and BLAS, those in ops/cuda/ and ops/hip/ with cuBLASLt and hipBLAS. The build takes one folder.
#pragma once

#include <array>
#include <cstdint>

#include "ops/matmul.hpp"

namespace longspan::ops::detail {

struct MatmulSize {
  std::int64_t m, n, k;
};

// Whether the library adds the bias and applies the activation on the way; matmul does it otherwise.
bool is_fused(const MatrixRef& a, const MatrixRef& c, const MatmulOptions& options);

// c = op(a) op(b), or c += op(a) op(b); with fused steps act(op(a) op(b) + bias).
void multiply(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
              const MatmulOptions& options);

// Adds to matmul_flops: of products that a kernel makes on its own.
void count_flops(double flops);

// Everything that a library prepares a product for; what was prepared is kept by it.
struct ProductKey {
  std::array<std::int64_t, 12> v;

  ProductKey(const MatmulSize& size, const MatrixRef& a, const MatrixRef& b, const MatrixRef& c,
             const MatmulOptions& options, std::int64_t alignment = 0)
      : v{size.m,
          size.n,
          size.k,
          options.batch,
          a.leading,
          b.leading,
          c.leading,
          a.batch_stride,
          b.batch_stride,
          c.batch_stride,
          a.transposed | b.transposed << 1 | options.accumulate << 2 | (options.bias != nullptr) << 3 |
              static_cast<int>(options.activation) << 4 | static_cast<int>(a.dtype) << 8 |
              static_cast<int>(c.dtype) << 12,
          alignment} {}
  bool operator==(const ProductKey&) const = default;
};
struct ProductKeyHash {
  std::size_t operator()(const ProductKey& key) const {
    std::uint64_t h = 0xcbf29ce484222325ull;
    for (const auto x : key.v) h = (h ^ static_cast<std::uint64_t>(x)) * 0x9e3779b97f4a7c15ull, h ^= h >> 29;
    return h;
  }
};
// Sequences of ever new lengths must not fill the memory with prepared products.
inline constexpr std::size_t kProductsKept = 4096;

// What a product needs besides its matrices, for the time of the call.
class ProductWorkspace {
 public:
  explicit ProductWorkspace(std::size_t bytes) : bytes_(bytes) {
    if (bytes > 0) data_ = MemoryPool::instance().allocate(bytes, Memory::workspace, "matmul workspace");
  }
  ~ProductWorkspace() {
    if (bytes_ > 0) MemoryPool::instance().release(data_, bytes_, Memory::workspace);
  }
  ProductWorkspace(const ProductWorkspace&) = delete;
  ProductWorkspace& operator=(const ProductWorkspace&) = delete;

  void* data() const { return data_; }

 private:
  std::size_t bytes_;
  void* data_ = nullptr;
};

}  // namespace longspan::ops::detail
