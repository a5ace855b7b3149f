// Numbers for tests: normal, the same in every run, and what is left of them in a dtype.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/dtype.hpp"
#include "tensor/random.hpp"

namespace longspan::testing {

using Values = std::vector<double>;

inline Values random_values(std::int64_t size, std::uint64_t key, double deviation = 1) {
  Values values(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = deviation * normal_double(key, i);
  return values;
}

inline double rounded(double x, Dtype dtype) {
  if (dtype == Dtype::float64) return x;
  if (dtype == Dtype::float32) return static_cast<float>(x);
  return static_cast<float>(bfloat16(x));
}

// Values that a tensor of this dtype holds exactly, so that the reference sees what the operation sees.
inline Values random_values(std::int64_t size, std::uint64_t key, Dtype dtype) {
  Values values = random_values(size, key);
  for (double& x : values) x = rounded(x, dtype);
  return values;
}

}  // namespace longspan::testing
