// /state of a checkpoint: a TrainState as attributes, and the tokenizer's model as a dataset.
#pragma once

#include <string>

#include "checkpoint/train_state.hpp"
#include "data/hdf5.hpp"

namespace longspan {

void write_state(hid_t group, const TrainState& state, const std::string& path);
// UserError where an attribute is missing.
TrainState read_state(hid_t group, const std::string& path);

}  // namespace longspan
