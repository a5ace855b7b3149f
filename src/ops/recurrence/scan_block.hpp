// Blocks of channels of a selective scan: a block's states are a tile [N, kLanes] that stays in the nearest cache while
// the scan runs over the tokens. Lanes beyond the last channel hold zeros.
#pragma once

#include "ops/math.hpp"
#include "ops/recurrence/selective_scan.hpp"
#include "ops/rows.hpp"

namespace longspan::ops::scan {

inline constexpr int kLanes = 32;
template <class A>
inline constexpr A kLn2 = A(0.6931471805599453);

struct Sizes {
  std::int64_t B, T, D, N;
  explicit Sizes(const SelectiveScanInput& in) : B(in.x.dim(0)), T(in.x.dim(1)), D(in.x.dim(2)), N(in.write.dim(2)) {
    LONGSPAN_CHECK(in.step.shape() == in.x.shape() && in.read.shape() == in.write.shape() && in.write.dim(1) == T &&
                       in.rates.dim(0) == N && in.rates.dim(1) == D && in.skip.size() == D &&
                       in.documents.size() == B * T,
                   "[selective_scan] x {}, step {}, write {}, read {}, rates {}, skip {}", in.x.shape().str(),
                   in.step.shape().str(), in.write.shape().str(), in.read.shape().str(), in.rates.shape().str(),
                   in.skip.shape().str());
  }
  KOKKOS_INLINE_FUNCTION std::int64_t tokens() const { return B * T; }
  KOKKOS_INLINE_FUNCTION std::int64_t blocks() const { return (D + kLanes - 1) / kLanes; }
  KOKKOS_INLINE_FUNCTION std::int64_t rows() const { return B * blocks(); }  // blocks of all sequences
  KOKKOS_INLINE_FUNCTION std::int64_t tile() const { return N * kLanes; }
};

// Channels [first, first + width) of sequence b.
struct Block {
  std::int64_t b, index, first;
  int width;
  KOKKOS_INLINE_FUNCTION Block(const Sizes& s, std::int64_t row)
      : b(row / s.blocks()), index(row % s.blocks()), first(index * kLanes) {
    width = static_cast<int>(s.D - first < kLanes ? s.D - first : kLanes);
  }
};

template <class T, class A>
struct Input {
  const T *x, *write, *read, *skip;
  const A *step, *rates;
  const std::int32_t* documents;
  explicit Input(const SelectiveScanInput& in)
      : x(in.x.data<T>()),
        write(in.write.data<T>()),
        read(in.read.data<T>()),
        skip(in.skip.data<T>()),
        step(in.step.data<A>()),
        rates(in.rates.data<A>()),
        documents(in.documents.data<std::int32_t>()) {}
};

inline Tensor block_room(const Sizes& s, std::int64_t tiles, Dtype dtype) {
  return Tensor::empty({s.rows(), tiles, s.tile()}, dtype, Memory::workspace, "states of a block of channels");
}

// f(c) for the lanes that hold a channel: most often all, whose number the compiler then knows.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_channels(const Team& team, const Block& at, const F& f) {
  if (at.width == kLanes) {
    for_columns(team, kLanes, f);
  } else {
    for_columns(team, at.width, f);
  }
}

// f(n, c, i) for the elements i of a tile; a thread keeps its lanes c in every loop, so that none waits for another.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_tile(const Team& team, const Sizes& s, const F& f) {
  for (std::int64_t n = 0; n < s.N; ++n) for_columns(team, kLanes, [&](int c) { f(n, c, n * kLanes + c); });
}

// Between [N, D] and a tile.
template <class A>
KOKKOS_INLINE_FUNCTION void load_states(const Team& team, const Sizes& s, const Block& at, const A* from, A* tile) {
  for_tile(team, s, [&](std::int64_t n, int c, std::int64_t i) {
    tile[i] = c < at.width ? from[n * s.D + at.first + c] : A(0);
  });
}
template <class A>
KOKKOS_INLINE_FUNCTION void store_states(const Team& team, const Sizes& s, const Block& at, const A* tile, A* to) {
  for_tile(team, s, [&](std::int64_t n, int c, std::int64_t i) {
    if (c < at.width) to[n * s.D + at.first + c] = tile[i];
  });
}
template <class A>
KOKKOS_INLINE_FUNCTION void copy_tile(const Team& team, const Sizes& s, const A* from, A* to) {
  for_tile(team, s, [&](std::int64_t, int, std::int64_t i) { to[i] = from[i]; });
}
// A in powers of 2.
template <class A>
KOKKOS_INLINE_FUNCTION void load_rates(const Team& team, const Sizes& s, const Block& at, const A* from, A* tile) {
  load_states(team, s, at, from, tile);
  for_tile(team, s, [&](std::int64_t, int, std::int64_t i) { tile[i] *= math::kLog2E<A>; });
}
template <class A>
KOKKOS_INLINE_FUNCTION void zero_tile(const Team& team, const Sizes& s, A* tile) {
  for_tile(team, s, [&](std::int64_t, int, std::int64_t i) { tile[i] = 0; });
}

}  // namespace longspan::ops::scan
