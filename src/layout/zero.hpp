// ZeRO (Rajbhandari et al. 2020, "ZeRO: memory optimizations toward training trillion parameter models"): the ranks
// that hold the same piece of the parameters share what training keeps of it. Each owns a range of the piece's
// elements:
//   stage 1 keeps optimizer states (and master weights) of the own elements alone
//   stage 2 gradients too: whole ones live from a group's backward pass until they are summed
//   stage 3 values too: whole ones live while a group computes
// Stage 0 shares nothing. A piece need not divide, and a rank may own nothing of it.
#pragma once

#include <cstdint>
#include <vector>

#include "layout/mesh_shape.hpp"
#include "layout/parameter_shard.hpp"
#include "layout/split.hpp"

namespace longspan {

constexpr bool shards_states(int zero) { return zero >= 1; }
constexpr bool shards_gradients(int zero) { return zero >= 2; }
constexpr bool shards_values(int zero) { return zero >= 3; }

// Which elements of a piece a holder owns.
inline Range owned_range(const Range& piece, const Holder& holder, int zero) {
  if (!shards_states(zero)) return piece;
  const Range own = split(piece.size(), holder.count, holder.index);
  return {piece.begin + own.begin, piece.begin + own.end};
}

// How many elements of a piece each holder owns, as the collectives want it.
inline std::vector<std::int64_t> owned_counts(const Range& piece, int holders) {
  std::vector<std::int64_t> counts;
  for (int i = 0; i < holders; ++i) counts.push_back(split(piece.size(), holders, i).size());
  return counts;
}

// Bytes that training keeps on a rank which holds `whole` elements and owns `owned` of them; a value has `value` bytes,
// gradients, moments and masters `accumulated` each. Masters exist where the two differ.
struct StateBytes {
  std::int64_t parameters = 0, gradients = 0, optimizer = 0;
  constexpr std::int64_t all() const { return parameters + gradients + optimizer; }
};
constexpr StateBytes state_bytes(std::int64_t whole, std::int64_t owned, std::int64_t value, std::int64_t accumulated,
                                 int zero) {
  return {.parameters = (shards_values(zero) ? owned : whole) * value,
          .gradients = (shards_gradients(zero) ? owned : whole) * accumulated,
          .optimizer = owned * accumulated * (value == accumulated ? 2 : 3)};
}

}  // namespace longspan
