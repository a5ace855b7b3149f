#include "ops/recurrence/affine_map.hpp"

#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/recurrence/chunks.hpp"
#include "ops/rows.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

// to[r, to_first + j] = from[r, from_first + j], j < count; of a K x K block its transpose where `transposed`.
template <class A>
void copy_kernel(const Tensor& from, std::int64_t from_first, const Tensor& to, std::int64_t to_first,
                 std::int64_t count, std::int64_t transposed_size) {
  const std::int64_t R = to.dim(0), in_width = from.size() / R, out_width = to.size() / R, K = transposed_size;
  const A* const in = from.data<A>() + from_first;
  A* const out = to.data<A>() + to_first;
  for_rows(
      "longspan::ops::copy_map", R, KOKKOS_LAMBDA(const Team& team, std::int64_t r) {
        for_columns(team, static_cast<int>(count),
                    [&](int j) { out[r * out_width + j] = in[r * in_width + (K > 0 ? j % K * K + j / K : j)]; });
      });
}

// x[r, k, :] = d[r, k or 0] x[r, k, :] + e[r, k, :], rows of different widths; e may be null.
template <class A>
void diagonal_kernel(const AffineMapSizes& size, std::int64_t R, const A* d, std::int64_t d_width, A* x,
                     std::int64_t x_width, const A* e) {
  const std::int64_t K = size.key, V = size.value, G = size.decay;
  for_rows(
      "longspan::ops::apply_diagonal_map", R * K, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t r = row / K, k = row % K;
        const A a = d[r * d_width + (G == 1 ? 0 : k)];
        A* const to = x + r * x_width + k * V;
        const A* const add = e + r * d_width + k * V;
        for_columns(team, static_cast<int>(V), [&](int v) { to[v] = a * to[v] + add[v]; });
      });
}

// D and E of packed maps as matrices.
MatrixRef block(const Tensor& map, std::int64_t first, std::int64_t rows, std::int64_t cols) {
  MatrixRef m;
  m.dtype = map.dtype();
  m.data = static_cast<char*>(map.raw()) + first * static_cast<std::int64_t>(size_of(m.dtype));
  m.rows = rows;
  m.cols = m.leading = cols;
  m.batch_stride = map.dim(1);
  return m;
}
MatrixRef dense_decay(const AffineMapSizes& s, const Tensor& map) { return block(map, 0, s.key, s.key); }
MatrixRef inflow(const AffineMapSizes& s, const Tensor& map) { return block(map, s.map_width(), s.key, s.value); }

void check(const AffineMapSizes& size, const Tensor& map) {
  LONGSPAN_CHECK(map.shape().rank() == 2 && map.dim(1) == size.width(), "[affine_map] {} is not {} wide",
                 map.shape().str(), size.width());
}

Tensor room(std::int64_t rows, std::int64_t width, Dtype dtype) {
  return Tensor::empty({rows, width}, dtype, Memory::communication, "run's map");
}

void copy_part(const Tensor& from, std::int64_t from_first, const Tensor& to, std::int64_t to_first, std::int64_t count,
               std::int64_t transposed_size = 0) {
  dispatch_accumulation("affine_map", to.dtype(),
                        [&]<class A>() { copy_kernel<A>(from, from_first, to, to_first, count, transposed_size); });
}

}  // namespace

Tensor pack_map(const AffineMapSizes& size, const Tensor& decay, const Tensor& inflow, bool transposed) {
  const Tensor map = room(inflow.dim(0), size.width(), inflow.dtype());
  copy_part(decay, 0, map, 0, size.map_width(), size.dense && transposed ? size.key : 0);
  copy_part(inflow, 0, map, size.map_width(), size.key * size.value);
  return map;
}

Tensor unpack_decay(const AffineMapSizes& size, const Tensor& map) {
  check(size, map);
  const Tensor decay = room(map.dim(0), size.map_width(), map.dtype());
  copy_part(map, 0, decay, 0, size.map_width());
  return decay;
}

void apply_map(const AffineMapSizes& size, const Tensor& map, const Tensor& state) {
  check(size, map);
  const std::int64_t R = map.dim(0), m = size.map_width();
  if (!size.dense) {
    return dispatch_accumulation("affine_map", map.dtype(), [&]<class A>() {
      diagonal_kernel<A>(size, R, map.data<A>(), size.width(), state.data<A>(), size.key * size.value,
                         map.data<A>() + m);
    });
  }
  const Tensor next = Tensor::empty(state.shape(), state.dtype(), Memory::workspace, "state");
  copy_part(map, m, next.reshape({R, size.key * size.value}), 0, size.key * size.value);
  multiply(dense_decay(size, map), matrices(state), next, true);
  copy(next, state);
}

void compose_maps(const AffineMapSizes& size, const Tensor& earlier, const Tensor& later) {
  check(size, earlier);
  check(size, later);
  const std::int64_t R = later.dim(0), m = size.map_width();
  const Tensor result = room(R, size.width(), later.dtype());
  if (size.dense) {
    matmul(dense_decay(size, later), dense_decay(size, earlier), dense_decay(size, result), {.batch = R});
    copy_part(later, m, result, m, size.key * size.value);
    matmul(dense_decay(size, later), inflow(size, earlier), inflow(size, result), {.accumulate = true, .batch = R});
  } else {
    copy(earlier, result);
    dispatch_accumulation("affine_map", later.dtype(), [&]<class A>() {
      diagonal_kernel<A>(size, R, later.data<A>(), size.width(), result.data<A>() + m, size.width(),
                         later.data<A>() + m);
    });
    const Tensor decay = unpack_decay(size, later), before = unpack_decay(size, earlier);
    multiply_elements(before, decay);
    copy_part(decay, 0, result, 0, m);
  }
  copy(result, later);
}

}  // namespace longspan::ops
