#include "ops/recurrence/chunks.hpp"

#include "ops/recurrence/chunk_place.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

// Position i of the n-th chunk of a window, of all pairs: their heads are neighbours in a row.
struct Position {
  std::int64_t n, i, t;  // t in the run
  bool present;
};
KOKKOS_INLINE_FUNCTION Position position_of(const ChunkPlace& place, std::int64_t number) {
  const std::int64_t n = number / place.C, i = number % place.C, t = (place.first_chunk + n) * place.C + i;
  return {n, i, t, t < place.length};
}

template <class T>
void to_chunks_kernel(const Tensor& x, std::int64_t x_heads, const ChunkSizes& size, const Tensor& chunks) {
  using A = accumulation_t<T>;
  const T* const in = x.data<T>();
  A* const out = chunks.data<A>();
  const ChunkPlace place(size);
  const std::int64_t share = size.heads / x_heads, W = chunks.dim(-1), first = size.first(), step = size.step();
  for_rows(
      "longspan::ops::to_chunks", size.count() * size.chunk, KOKKOS_LAMBDA(const Team& team, std::int64_t number) {
        const Position p = position_of(place, number);
        for (std::int64_t r = 0; r < place.R; ++r) {
          const std::int64_t row = place.sequence(r) * place.length + first + step * p.t;
          const T* const from = in + (row * x_heads + place.head(r) / share) * W;
          A* const to = out + ((p.n * place.R + r) * place.C + p.i) * W;
          if (p.present) {
            for_columns(team, static_cast<int>(W), [&](int w) { to[w] = A(from[w]); });
          } else {
            for_columns(team, static_cast<int>(W), [&](int w) { to[w] = A(0); });
          }
        }
      });
}

template <class T>
void from_chunks_kernel(const Tensor& chunks, std::int64_t x_heads, const ChunkSizes& size, const Tensor& x,
                        bool accumulate) {
  using A = accumulation_t<T>;
  const A* const in = chunks.data<A>();
  T* const out = x.data<T>();
  const ChunkPlace place(size);
  const std::int64_t share = size.heads / x_heads, W = chunks.dim(-1), first = size.first(), step = size.step();
  for_rows(
      "longspan::ops::from_chunks", size.count() * size.chunk, KOKKOS_LAMBDA(const Team& team, std::int64_t number) {
        const Position p = position_of(place, number);
        if (!p.present) return;
        for (std::int64_t r = 0; r < place.R; r += share) {
          const std::int64_t row = place.sequence(r) * place.length + first + step * p.t, other = place.C * W;
          const A* const from = in + ((p.n * place.R + r) * place.C + p.i) * W;
          T* const to = out + (row * x_heads + place.head(r) / share) * W;
          if (share == 1) {
            for_columns(team, static_cast<int>(W),
                        [&](int w) { to[w] = T(accumulate ? A(to[w]) + from[w] : from[w]); });
            continue;
          }
          for_columns(team, static_cast<int>(W), [&](int w) {
            A sum = 0;
            for (std::int64_t s = 0; s < share; ++s) sum += from[s * other + w];
            to[w] = T(accumulate ? A(to[w]) + sum : sum);
          });
        }
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
