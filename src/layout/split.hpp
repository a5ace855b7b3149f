// Balanced split of n items over parts: part p holds [n p / parts, n (p+1) / parts). Sizes differ by at most one, any n
// and any number of parts are allowed, and parts may be empty.
#pragma once

#include <cstdint>

namespace longspan {

struct Range {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

constexpr Range split(std::int64_t n, std::int64_t parts, std::int64_t part) {
  return {n * part / parts, n * (part + 1) / parts};
}

// The part that holds an item: the smallest p with n (p+1) / parts > item, that is p + 1 >= (item + 1) parts / n.
constexpr std::int64_t split_owner(std::int64_t n, std::int64_t parts, std::int64_t item) {
  return ((item + 1) * parts - 1) / n;
}

}  // namespace longspan
