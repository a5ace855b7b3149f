// Naive twin of ops/matmul.hpp, in double: [m, k] x [k, n] -> [m, n].
#pragma once

#include <cstdint>
#include <vector>

namespace longspan::reference {

// a and b as stored; transposed: the product uses their transposes.
inline std::vector<double> matmul(const std::vector<double>& a, bool a_transposed, const std::vector<double>& b,
                                  bool b_transposed, std::int64_t m, std::int64_t n, std::int64_t k) {
  std::vector<double> c(static_cast<std::size_t>(m * n), 0.0);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      for (std::int64_t p = 0; p < k; ++p) {
        c[i * n + j] += (a_transposed ? a[p * m + i] : a[i * k + p]) * (b_transposed ? b[j * k + p] : b[p * n + j]);
      }
    }
  }
  return c;
}

}  // namespace longspan::reference
