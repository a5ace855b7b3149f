// Where chunk n of pair r lies, by its number n R + r in the window; for kernels.
#pragma once

#include <Kokkos_Core.hpp>

#include "ops/recurrence/chunks.hpp"

namespace longspan::ops {

struct ChunkPlace {
  std::int64_t H, length, C, R, first_row, first_chunk;

  explicit ChunkPlace(const ChunkSizes& size)
      : H(size.heads),
        length(size.length),
        C(size.chunk),
        R(size.rows()),
        first_row(size.rows_shown.begin),
        first_chunk(size.chunks_shown.begin) {}

  KOKKOS_INLINE_FUNCTION std::int64_t sequence(std::int64_t chunk) const { return (first_row + chunk % R) / H; }
  KOKKOS_INLINE_FUNCTION std::int64_t head(std::int64_t chunk) const { return (first_row + chunk % R) % H; }
  // Its first position, and how many there are.
  KOKKOS_INLINE_FUNCTION std::int64_t first(std::int64_t chunk) const { return (first_chunk + chunk / R) * C; }
  KOKKOS_INLINE_FUNCTION std::int64_t positions(std::int64_t chunk) const {
    const std::int64_t left = length - first(chunk);
    return left < C ? left : C;
  }
};

}  // namespace longspan::ops
