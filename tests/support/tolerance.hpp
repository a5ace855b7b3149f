// How far a result may lie from the float64 reference, relative to the largest value (or to 1): rounding of the result
// and of a sum of some hundred terms.
#pragma once

#include <array>

#include "tensor/dtype.hpp"

namespace longspan::testing {

inline constexpr std::array<Dtype, 3> kFloatDtypes = {Dtype::float64, Dtype::float32, Dtype::bfloat16};

inline double tolerance(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return 1e-13;
    case Dtype::float32:
      return 2e-6;
    default:
      return 5e-3;
  }
}

// Our gradients in float64 against central differences.
inline constexpr double kDifferenceTolerance = 1e-6;

}  // namespace longspan::testing
