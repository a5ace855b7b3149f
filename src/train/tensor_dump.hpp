// Tensors of a benchmark in a safetensors file, for another implementation to start from and to be compared with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.hpp"
#include "train/session.hpp"

namespace longspan {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

// EnvironmentError where the file cannot be written; then nothing is left of it.
void write_tensors(const std::string& path, const NamedTensors& tensors);

// Of the first step, without its update: tokens and targets [B, T], loss [1] (float64), parameters under their names
// and their gradients as dNAME. The session is one rank's, allocated for training, and keeps whole gradients in one
// microbatch; UserError otherwise.
void write_first_step(Session& session, const std::string& path);

}  // namespace longspan
