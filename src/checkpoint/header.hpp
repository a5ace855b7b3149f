// Everything of a checkpoint but the values of its tensors: groups, datasets without content, attributes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/own_parts.hpp"
#include "checkpoint/train_state.hpp"

namespace longspan {

struct CheckpointContent {
  std::vector<CatalogueEntry> entries;
  std::vector<CheckpointArray> arrays;
  std::vector<std::int64_t> sums;  // of every dataset, bit patterns of checkpoint/checksum.hpp
  std::optional<std::int64_t> optimizer_steps;
  TrainState state;

  std::int64_t bytes() const;  // of all tensors
};

// Makes the HDF5 file and its footer; on return it is closed. The byte of the file where each dataset begins.
std::vector<std::int64_t> write_header(const std::string& path, const CheckpointContent& content);

}  // namespace longspan
