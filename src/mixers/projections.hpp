// The initial values and layouts of a mixer's projections.
#pragma once

#include <cmath>

#include "mixers/mixer.hpp"
#include "nn/linear.hpp"

namespace longspan {

inline LinearInit input_init(const MixerSettings& s) { return {s.model.init_deviation, s.model.bias, s.group}; }
// Branches that end in the residual stream start smaller, by the root of their number (Radford et al. 2019).
inline LinearInit output_init(const MixerSettings& s) {
  return {s.model.init_deviation / std::sqrt(2.0 * static_cast<double>(s.model.layers)), s.model.bias, s.group};
}

}  // namespace longspan
