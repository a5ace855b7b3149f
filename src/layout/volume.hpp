// How much one rank puts on the wire, in closed form: what comm/ counts must equal these numbers.
#pragma once

#include <cstdint>

namespace longspan {

// Collectives of g ranks in their classical (ring) algorithms; n is the full buffer, in bytes or elements. Rounded down
// where g does not divide. An all-to-all of unequal blocks sends its buffer less the rank's own block instead.
constexpr std::int64_t all_reduce_volume(std::int64_t n, int g) { return 2 * n * (g - 1) / g; }
constexpr std::int64_t all_gather_volume(std::int64_t n, int g) { return n * (g - 1) / g; }
constexpr std::int64_t reduce_scatter_volume(std::int64_t n, int g) { return n * (g - 1) / g; }
constexpr std::int64_t all_to_all_volume(std::int64_t n, int g) { return n * (g - 1) / g; }

// Gradients and values of a piece of parameters that g ranks hold, in one step, with ZeRO stage `zero`
// (layout/zero.hpp), `microbatches` backward passes and `gathers` uses of the values (stage 3). bytes: of the whole
// piece's gradients, or of its values.
constexpr std::int64_t gradient_sum_volume(std::int64_t bytes, int g, int zero, std::int64_t microbatches) {
  if (zero == 0) return all_reduce_volume(bytes, g);
  return (zero == 1 ? 1 : microbatches) * reduce_scatter_volume(bytes, g);
}
constexpr std::int64_t value_gather_volume(std::int64_t bytes, int g, int zero, std::int64_t gathers) {
  return (zero == 0 ? 0 : zero < 3 ? 1 : gathers) * all_gather_volume(bytes, g);
}

}  // namespace longspan
