#include "data/unigram.hpp"

#include <algorithm>
#include <cmath>

namespace longspan {

double entropy(const std::vector<std::int64_t>& counts) {
  // With N = sum c: H = log N - (sum c log c) / N.
  double total = 0, weighted = 0;
  for (const std::int64_t count : counts) {
    if (count == 0) continue;
    const auto c = static_cast<double>(count);
    total += c;
    weighted += c * std::log(c);
  }
  return total > 0 ? std::max(0.0, std::log(total) - weighted / total) : 0;
}

double unigram_entropy(const TokenStore& store, std::int64_t first, std::int64_t count) {
  constexpr std::int64_t block = 1 << 20;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(store.info().vocabulary));
  for (std::int64_t done = 0; done < count; done += block) {
    for (const auto token : store.read(first + done, std::min(block, count - done))) {
      ++counts[static_cast<std::size_t>(token)];
    }
  }
  return entropy(counts);
}

}  // namespace longspan
