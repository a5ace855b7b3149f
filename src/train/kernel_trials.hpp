// One kernel on random inputs, forward and backward as in training, with its floor in closed form: what a benchmark
// times, and whose tensors another implementation can be compared with.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"

namespace longspan {

struct KernelSizes {
  std::int64_t batch = 1, length = 4096;  // B, T
  std::int64_t heads = 1, width = 64;     // H, and K of a head; rows have H K columns
  std::int64_t vocabulary = 32000;        // of cross_entropy
  std::int64_t chunk = 64;                // of recurrences
  std::int64_t state_width = 16;          // of selective_scan
  Dtype dtype = Dtype::float32;
};

// Floating-point operations that the result needs, and bytes that must be read and written at least once.
struct KernelFloor {
  double forward_flops = 0, backward_flops = 0, forward_bytes = 0, backward_bytes = 0;
};

struct KernelTrial {
  // Names as in the other implementation; a gradient is called d<name>.
  std::vector<std::pair<std::string, Variable>> inputs;
  // The result, or an undefined variable where the function leaves its result in `outputs` and needs no gradient.
  std::function<Variable(Tape&)> forward;
  Tensor dresult;                                      // gradient of the result; undefined without one
  std::vector<std::pair<std::string, Tensor>> others;  // further tensors: documents aside, what a comparison needs
  bool has_backward = true;
  KernelFloor floor;
};

const std::vector<std::string>& kernel_names();
// UserError where the sizes do not fit the kernel.
KernelTrial make_kernel_trial(const std::string& kernel, const KernelSizes& sizes);

}  // namespace longspan
