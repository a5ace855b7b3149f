#include "ops/recurrence/chunks.hpp"

#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class T>
void to_chunks_kernel(const Tensor& x, std::int64_t x_heads, const ChunkSizes& size, const Tensor& chunks) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  A* const out = chunks.data<A>();
  const std::int64_t H = size.heads, length = size.length, C = size.chunk, R = size.rows(), share = H / x_heads;
  const std::int64_t W = chunks.dim(-1), first = size.first(), stride = size.step() * x_heads * W;
  for_rows(
      "longspan::ops::to_chunks", size.count() * R, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t n = row / R, b = row % R / H, h = row % H / share;
        const T* const from = in + ((b * length + first) * x_heads + h) * W + n * C * stride;
        A* const to = out + row * C * W;
        const std::int64_t present = length - n * C;
        for_grid(team, static_cast<int>(C), static_cast<int>(W),
                 [&](int i, int w) { to[i * W + w] = i < present ? A(from[i * stride + w]) : A(0); });
      });
}

template <class T>
void from_chunks_kernel(const Tensor& chunks, std::int64_t x_heads, const ChunkSizes& size, const Tensor& x,
                        bool accumulate) {
  using A = accumulation_t<T>;
  const A* const in = chunks.data<A>();
  T* const out = x.data<T>();
  const std::int64_t H = size.heads, length = size.length, C = size.chunk, R = size.rows(), share = H / x_heads;
  const std::int64_t W = chunks.dim(-1), first = size.first(), step = size.step();
  for_rows(
      "longspan::ops::from_chunks", size.batch * length, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / length, t = first + step * (row % length), n = t / C;
        const A* const from = in + ((n * R + b * H) * C + t % C) * W;
        T* const to = out + row * x_heads * W;
        for_grid(team, static_cast<int>(x_heads), static_cast<int>(W), [&](int h, int w) {
          A sum = 0;
          for (std::int64_t s = 0; s < share; ++s) sum += from[(h * share + s) * C * W + w];
          to[h * W + w] = T(accumulate ? A(to[h * W + w]) + sum : sum);
        });
      });
}

std::int64_t check(const Tensor& x, std::int64_t x_heads, const ChunkSizes& size) {
  LONGSPAN_CHECK(x.rows() == size.batch * size.length && size.heads % x_heads == 0 && x.dim(-1) % x_heads == 0,
                 "[chunks] {} is not {} x {} rows of {} heads that serve {}", x.shape().str(), size.batch, size.length,
                 x_heads, size.heads);
  return x.dim(-1) / x_heads;
}

}  // namespace

Tensor to_chunks(const Tensor& x, std::int64_t x_heads, const ChunkSizes& size) {
  const std::int64_t width = check(x, x_heads, size);
  const Tensor chunks = Tensor::empty({size.count(), size.rows(), size.chunk, width}, accumulation_dtype(x.dtype()),
                                      Memory::workspace, "chunks");
  dispatch_float("to_chunks", x.dtype(), [&]<class T>() { to_chunks_kernel<T>(x, x_heads, size, chunks); });
  return chunks;
}

void from_chunks(const Tensor& chunks, std::int64_t x_heads, const ChunkSizes& size, const Tensor& x, bool accumulate) {
  const std::int64_t width = check(x, x_heads, size);
  LONGSPAN_CHECK(chunks.shape() == (Shape{size.count(), size.rows(), size.chunk, width}), "[chunks] {} for {}",
                 chunks.shape().str(), x.shape().str());
  dispatch_float("from_chunks", x.dtype(),
                 [&]<class T>() { from_chunks_kernel<T>(chunks, x_heads, size, x, accumulate); });
}

MatrixRef matrices(const Tensor& t) {
  MatrixRef m;
  m.data = t.raw();
  m.dtype = t.dtype();
  m.rows = t.dim(-2);
  m.cols = m.leading = t.dim(-1);
  m.batch_stride = m.rows * m.cols;
  return m;
}

void multiply(const MatrixRef& a, const MatrixRef& b, const Tensor& c, bool accumulate) {
  const MatrixRef result = matrices(c);
  if (c.size() == 0) return;
  matmul(a, b, result, {.accumulate = accumulate, .batch = c.size() / result.batch_stride});
}

}  // namespace longspan::ops
