// Models of the shapes of GPT-2 and Llama as Hugging Face's libraries name their tensors. Rotary pairs are the two
// halves of a head there as here, so that queries and keys need no reordering.
#pragma once

#include <cstdint>
#include <string>

#include "comm/comm.hpp"
#include "config/run_config.hpp"

namespace longspan {

struct ForeignCount {
  std::int64_t tensors = 0, parameters = 0;  // of the safetensors file; elements
  std::string layout;                        // "gpt2" or "llama"
};

// Writes a checkpoint's parameters as a safetensors file, bit by bit in their stored dtype. UserError where the model
// has neither shape.
ForeignCount export_model(const std::string& checkpoint, const std::string& path);

// Makes a checkpoint without optimizer states of a safetensors file. `config` describes the model; the vocabulary, the
// number of learned positions and the dtype are the file's. UserError where the file does not hold that model. One
// rank.
ForeignCount import_model(const std::string& path, const std::string& checkpoint, const TrainConfig& config,
                          const Comm& world);

}  // namespace longspan
