// How much one rank puts on the wire, in closed form: what comm/ counts must equal these numbers.
#pragma once

#include <cstdint>

#include "layout/ring_order.hpp"
#include "layout/sequence_shard.hpp"

namespace longspan {

// Collectives of g ranks in their classical (ring) algorithms; n is the full buffer, in bytes or elements. Rounded down
// where g does not divide. An all-to-all of unequal blocks sends its buffer less the rank's own block instead.
constexpr std::int64_t all_reduce_volume(std::int64_t n, int g) { return 2 * n * (g - 1) / g; }
constexpr std::int64_t all_gather_volume(std::int64_t n, int g) { return n * (g - 1) / g; }
constexpr std::int64_t reduce_scatter_volume(std::int64_t n, int g) { return n * (g - 1) / g; }
constexpr std::int64_t all_to_all_volume(std::int64_t n, int g) { return n * (g - 1) / g; }

// Ring attention of one layer: at step j rank s passes on the block of rank (s - j) mod S. `per_token` is the number of
// elements that one token adds to a block of keys and values: 2 B Hk K.
//
// Forward: K and V leave at steps j = 0 .. S-2, so every block but the one that arrives last, that of rank s+1.
inline std::int64_t ring_forward_elements(const SequenceShard& shard, std::int64_t per_token) {
  const int last = ring_next(shard.part(), shard.parts());
  return per_token * (shard.global_length() - shard.local_length(last));
}

// Backward: K and V as in forward; (dK, dV), of the accumulation type, travel with their block at j = 0 .. S-1, the
// last hop brings them home: every block once. A ring of one sends nothing.
struct RingBackwardElements {
  std::int64_t key_values = 0, gradients = 0;
};
inline RingBackwardElements ring_backward_elements(const SequenceShard& shard, std::int64_t per_token) {
  return {ring_forward_elements(shard, per_token), shard.parts() == 1 ? 0 : per_token * shard.global_length()};
}

}  // namespace longspan
