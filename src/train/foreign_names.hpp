// Where a parameter of ours stands in a foreign file.
#pragma once

#include <string>

#include "config/model_config.hpp"

namespace longspan {

struct ForeignPlace {
  std::string tensor;       // its name there
  bool transposed = false;  // GPT-2 keeps matrices as [in, out]
  int part = 0, parts = 1;  // of that many equal parts of the outputs: GPT-2 keeps query, key and value together
};

// "gpt2" or "llama". UserError where the model has neither shape: what is other is said. `model` came from `path`.
std::string foreign_layout(const ModelConfig& model, const std::string& path);

ForeignPlace foreign_place(const std::string& layout, const std::string& parameter);

// Tensors of foreign files that are no parameters: buffers, and the copy of a tied embedding.
bool is_foreign_extra(const std::string& layout, const std::string& tensor, bool tied_embeddings);

}  // namespace longspan
