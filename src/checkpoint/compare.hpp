// In what two checkpoints differ.
#pragma once

#include <string>

namespace longspan {

struct Comparison {
  std::string report;  // a line for each difference, and a line that counts
  bool equal = true;   // in every value and shape; provenance does not count
};

// Tensors by name: those that only one file has, other shapes, other types, and how far values are apart (after
// conversion to float64). UserError where one of them is no checkpoint that can be read.
Comparison compare_checkpoints(const std::string& one, const std::string& other);

}  // namespace longspan
