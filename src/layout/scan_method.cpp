#include "layout/scan_method.hpp"

namespace longspan {
namespace {

int doublings_below(int n) {
  int count = 0;
  for (int d = 1; d < n; d *= 2) ++count;
  return count;
}

// Bytes, and messages as bytes, on the longest chain of messages.
std::int64_t duration(ScanMethod method, int size, std::int64_t map, std::int64_t state) {
  const std::int64_t rounds = scan_volume(method, size, 0, map, state).rounds;
  switch (method) {
    case ScanMethod::ring:
      return rounds * (state + kMessageBytes);
    case ScanMethod::rounds:
      return rounds * (map + kMessageBytes);
    case ScanMethod::gather:
      return (size - 1) * map + rounds * kMessageBytes;
  }
  return 0;
}

}  // namespace

const char* to_string(ScanMethod method) {
  switch (method) {
    case ScanMethod::ring:
      return "ring";
    case ScanMethod::rounds:
      return "rounds";
    case ScanMethod::gather:
      return "gather";
  }
  return "unknown";
}

ScanVolume scan_volume(ScanMethod method, int size, int place, std::int64_t map, std::int64_t state) {
  if (size == 1) return {};
  switch (method) {
    case ScanMethod::ring:
      return {place + 1 < size ? state : 0, size - 1};
    case ScanMethod::rounds:
      return {doublings_below(size - place) * map, doublings_below(size)};
    case ScanMethod::gather:
      return {(size - 1) * map, 1};
  }
  return {};
}

ScanMethod choose_scan(int size, std::int64_t map_bytes, std::int64_t state_bytes) {
  ScanMethod best = ScanMethod::ring;
  for (const ScanMethod method : kScanMethods) {
    if (duration(method, size, map_bytes, state_bytes) < duration(best, size, map_bytes, state_bytes)) best = method;
  }
  return best;
}

}  // namespace longspan
