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

}  // namespace longspan
