// The scan of a recurrence over the ranks of an axis, in closed form. Rank r's run of tokens maps the state that enters
// it to the one that leaves it; such a map, n elements, is larger than a state, m elements (of S' = D S + E the map is
// (D, E), the state S). "place" counts the ranks in the order of the scan, so that it runs either way.
//   ring    the state goes from place to place: the least on the wire, S - 1 hops one after the other
//   rounds  Hillis and Steele 1986: maps are composed over distances 1, 2, 4, ...
//   gather  every rank gets every map and applies those before its own: one round
#pragma once

#include <array>
#include <cstdint>

namespace longspan {

enum class ScanMethod { ring, rounds, gather };
inline constexpr std::array kScanMethods = {ScanMethod::ring, ScanMethod::rounds, ScanMethod::gather};
const char* to_string(ScanMethod method);

struct ScanVolume {
  std::int64_t elements = 0;  // that the rank at this place sends
  int rounds = 0;             // messages that must follow each other before the last rank has its state
};
ScanVolume scan_volume(ScanMethod method, int size, int place, std::int64_t map, std::int64_t state);

// The method that is done first where a message costs as much time as kMessageBytes on the wire: of the rank that
// sends most.
inline constexpr std::int64_t kMessageBytes = 1 << 16;
ScanMethod choose_scan(int size, std::int64_t map_bytes, std::int64_t state_bytes);

}  // namespace longspan
