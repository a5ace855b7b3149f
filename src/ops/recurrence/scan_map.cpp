#include "ops/recurrence/scan_map.hpp"

#include "ops/block_copy.hpp"
#include "ops/math.hpp"
#include "ops/recurrence/scan_block.hpp"
#include "tensor/dispatch.hpp"

namespace longspan::ops {
namespace {

using scan::kLanes;

// A step after which nothing is left at any rate above 1e-28; finite, so that sums of it and products with 0 are too.
constexpr double kForgetting = 1e30;

template <class A>
void sum_steps_kernel(const scan::Sizes& s, const A* step, const std::int32_t* documents, A* map) {
  for_rows(
      "longspan::ops::scan_map_steps", s.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const scan::Block at(s, row);
        A* const sum = map + at.b * (1 + s.N) * s.D + at.first;
        for_columns(team, at.width, [&](int c) { sum[c] = 0; });
        for (std::int64_t t = 0; t < s.T; ++t) {
          const std::int64_t token = at.b * s.T + t;
          const A forgetting = documents[token] == t ? A(kForgetting) : A(0);
          for_columns(team, at.width, [&](int c) { sum[c] += forgetting + step[token * s.D + at.first + c]; });
        }
      });
}

// G <- a (G + C dy), from the last token to the first.
template <class T, class A>
void adjoint_kernel(const scan::Sizes& s, const scan::Input<T, A>& in, const T* dy, A* gradient) {
  const Tensor room = scan::block_room(s, 2, dtype_of<A>());
  A* const scratch = room.data<A>();
  for_rows(
      "longspan::ops::scan_adjoint_map", s.rows(), KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const scan::Block at(s, row);
        A *const G = scratch + row * 2 * s.tile(), *const rates = G + s.tile();
        scan::load_rates(team, s, at, in.rates, rates);
        scan::zero_tile(team, s, G);
        A step[kLanes] = {}, grad[kLanes] = {};
        for (std::int64_t t = s.T; t-- > 0;) {
          const std::int64_t token = at.b * s.T + t;
          scan::for_channels(team, at, [&](int c) {
            step[c] = in.step[token * s.D + at.first + c];
            grad[c] = A(dy[token * s.D + at.first + c]);
          });
          const A keep = in.documents[token] == t ? A(0) : A(1);
          for (std::int64_t n = 0; n < s.N; ++n) {
            const A r = A(in.read[token * s.N + n]);
            A* const Gn = G + n * kLanes;
            const A* const rate = rates + n * kLanes;
            for_columns(team, kLanes,
                        [&](int c) { Gn[c] = keep * math::exp2_negative(step[c] * rate[c]) * (Gn[c] + r * grad[c]); });
          }
        }
        scan::store_states(team, s, at, G, gradient + at.b * s.N * s.D);
      });
}

// out = exp(A s) in + e for the map's s and e; sequences of `in` and `out` lie `stride` elements apart.
template <class A>
void map_kernel(const Tensor& rates, const Tensor& map, const A* in, A* out, std::int64_t stride) {
  const std::int64_t N = rates.dim(0), D = rates.dim(1);
  const A *const rate = rates.data<A>(), *const sums = map.data<A>();
  for_rows(
      "longspan::ops::apply_scan_map", map.dim(0) * N, KOKKOS_LAMBDA(const Team& team, std::int64_t row) {
        const std::int64_t b = row / N, n = row % N;
        const A *const s = sums + b * (1 + N) * D, *const e = s + (1 + n) * D;
        for_columns(team, static_cast<int>(D), [&](int c) {
          const std::int64_t i = b * stride + n * D + c;
          out[i] = math::exp(s[c] * rate[n * D + c]) * in[i] + e[c];
        });
      });
}

template <class A>
void add_sums_kernel(const Tensor& earlier, const Tensor& later) {
  const std::int64_t width = later.dim(1) * later.dim(2), D = later.dim(2);
  const A* const from = earlier.data<A>();
  A* const to = later.data<A>();
  for_rows(
      "longspan::ops::compose_scan_maps", later.dim(0), KOKKOS_LAMBDA(const Team& team, std::int64_t b) {
        for_columns(team, static_cast<int>(D), [&](int c) { to[b * width + c] += from[b * width + c]; });
      });
}

// The states in a map [B, 1 + N, D], as one block [B, 1, N, D].
BlockRef states_of(const Tensor& map) {
  return BlockRef(map.reshape({map.dim(0), 1, map.dim(1), map.dim(2)})).rows(1, map.dim(1) - 1);
}
Tensor state_room(const scan::Sizes& s, Dtype dtype) {
  return Tensor::zeros({s.B, 1, s.N, s.D}, dtype, Memory::workspace, "state");
}
Tensor map_room(const scan::Sizes& s, Dtype dtype) {
  return Tensor::empty({s.B, 1 + s.N, s.D}, dtype, Memory::communication, "run's map");
}

}  // namespace

Tensor scan_map(const SelectiveScanInput& in) {
  const scan::Sizes s(in);
  const Tensor map = map_room(s, in.rates.dtype()), state = state_room(s, in.rates.dtype());
  selective_scan_forward(in, s.T + 1, state.reshape({s.B, s.N, s.D}), {}, {});
  copy_block(BlockRef(state), states_of(map));
  dispatch_accumulation("scan_map", map.dtype(), [&]<class A>() {
    sum_steps_kernel<A>(s, in.step.data<A>(), in.documents.data<std::int32_t>(), map.data<A>());
  });
  return map;
}

Tensor scan_adjoint_map(const SelectiveScanInput& in, const Tensor& map, const Tensor& dy) {
  const scan::Sizes s(in);
  const Tensor adjoint = map_room(s, map.dtype()), gradient = state_room(s, map.dtype());
  dispatch_float("scan_adjoint_map", in.x.dtype(), [&]<class T>() {
    using A = accumulation_t<T>;
    adjoint_kernel<T, A>(s, scan::Input<T, A>(in), dy.data<T>(), gradient.data<A>());
  });
  const auto sums = [](const Tensor& m) { return BlockRef(m.reshape({m.dim(0), 1, m.dim(1), m.dim(2)})).rows(0, 1); };
  copy_block(sums(map), sums(adjoint));
  copy_block(BlockRef(gradient), states_of(adjoint));
  return adjoint;
}

void apply_scan_map(const Tensor& rates, const Tensor& map, const Tensor& state) {
  dispatch_accumulation("apply_scan_map", map.dtype(),
                        [&]<class A>() { map_kernel<A>(rates, map, state.data<A>(), state.data<A>(), rates.size()); });
}

void compose_scan_maps(const Tensor& rates, const Tensor& earlier, const Tensor& later) {
  dispatch_accumulation("compose_scan_maps", later.dtype(), [&]<class A>() {
    map_kernel<A>(rates, later, earlier.data<A>() + rates.dim(1), later.data<A>() + rates.dim(1),
                  rates.size() + rates.dim(1));
    add_sums_kernel<A>(earlier, later);
  });
}

}  // namespace longspan::ops
