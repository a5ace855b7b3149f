// Naive twins of ops/embedding.hpp, in double: table [R, D] holds rows first to first + R of the logical table.
#pragma once

#include <cstdint>
#include <vector>

namespace longspan::reference {

inline std::vector<double> embedding(const std::vector<double>& table, std::int64_t R, std::int64_t D,
                                     const std::vector<std::int32_t>& index, std::int64_t first) {
  std::vector<double> y;
  for (const std::int64_t i : index) {
    for (std::int64_t d = 0; d < D; ++d) y.push_back(i >= first && i < first + R ? table[(i - first) * D + d] : 0.0);
  }
  return y;
}

inline std::vector<double> embedding_backward(const std::vector<double>& dy, std::int64_t R, std::int64_t D,
                                              const std::vector<std::int32_t>& index, std::int64_t first) {
  std::vector<double> dtable(static_cast<std::size_t>(R * D), 0.0);
  for (std::size_t n = 0; n < index.size(); ++n) {
    if (index[n] < first || index[n] >= first + R) continue;
    for (std::int64_t d = 0; d < D; ++d) dtable[(index[n] - first) * D + d] += dy[n * D + d];
  }
  return dtable;
}

}  // namespace longspan::reference
