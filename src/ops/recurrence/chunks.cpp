#include "ops/recurrence/chunks.hpp"

#include "ops/recurrence/chunk_place.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

template <class T>
void to_chunks_kernel(const Tensor& x, std::int64_t x_heads, const ChunkSizes& size, const Tensor& chunks) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  A* const out = chunks.data<A>();
  const ChunkPlace place(size);
  const std::int64_t share = size.heads / x_heads, W = chunks.dim(-1);
  const std::int64_t first = size.first(), step = size.step(), stride = step * x_heads * W;
  for_rows(
      "longspan::ops::to_chunks", size.count() * size.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t chunk) {
        const std::int64_t row = place.sequence(chunk) * place.length + first + step * place.first(chunk);
        const T* const from = in + (row * x_heads + place.head(chunk) / share) * W;
        A* const to = out + chunk * place.C * W;
        const auto present = static_cast<int>(place.positions(chunk));
        for_grid(team, present, static_cast<int>(W), [&](int i, int w) { to[i * W + w] = A(from[i * stride + w]); });
        for_columns(team, static_cast<int>((place.C - present) * W), [&](int i) { to[present * W + i] = A(0); });
      });
}

template <class T>
void from_chunks_kernel(const Tensor& chunks, std::int64_t x_heads, const ChunkSizes& size, const Tensor& x,
                        bool accumulate) {
  using A = accumulation_t<T>;
  const A* const in = chunks.data<A>();
  T* const out = x.data<T>();
  const ChunkPlace place(size);
  const std::int64_t share = size.heads / x_heads, W = chunks.dim(-1);
  const std::int64_t first = size.first(), step = size.step(), stride = step * x_heads * W;
  for_rows(
      "longspan::ops::from_chunks", size.count() * size.rows() / share,
      KOKKOS_LAMBDA(const Team& team, std::int64_t group) {
        const std::int64_t chunk = group * share, other = place.C * W;
        const std::int64_t row = place.sequence(chunk) * place.length + first + step * place.first(chunk);
        const A* const from = in + chunk * other;
        T* const to = out + (row * x_heads + place.head(chunk) / share) * W;
        for_grid(team, static_cast<int>(place.positions(chunk)), static_cast<int>(W), [&](int i, int w) {
          A sum = 0;
          for (std::int64_t s = 0; s < share; ++s) sum += from[s * other + i * W + w];
          T& value = to[i * stride + w];
          value = T(accumulate ? A(value) + sum : sum);
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
