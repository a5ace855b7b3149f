// Naive twin of ops/dropout.hpp, in double: one random word for each element, by its global index.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/random.hpp"

namespace longspan::reference {

inline std::vector<double> dropout(const std::vector<double>& x, double rate, std::uint64_t key,
                                   const std::vector<std::int64_t>& rows, std::int64_t cols, std::int64_t global_cols,
                                   std::int64_t first_col) {
  std::vector<double> y;
  for (std::size_t n = 0; n < rows.size(); ++n) {
    for (std::int64_t c = 0; c < cols; ++c) {
      const auto index = static_cast<std::uint64_t>(rows[n] * global_cols + first_col + c);
      const double uniform = (philox(key, index / 4, 0).v[index % 4] >> 8) / 16777216.0;
      y.push_back(uniform >= rate ? x[n * cols + c] / (1 - rate) : 0.0);
    }
  }
  return y;
}

}  // namespace longspan::reference
