// Tasks whose sequences are made up instead of read, and their sizes.
#pragma once

#include <cstdint>
#include <string>

#include "config/options.hpp"

namespace longspan {

struct TaskConfig {
  std::int64_t vocabulary = 64;   // V of mqar, induction and copy
  std::int64_t pairs = 4;         // of mqar
  std::int64_t items = 8;         // of copy
  std::int64_t modulus = 5;       // of modular
  std::string answers = "every";  // of parity, modular and s5: every, last
};

void bind(Options& options, TaskConfig& config);
// UserError where `task` cannot be made in sequences of `length` tokens.
void check(const TaskConfig& config, const std::string& task, std::int64_t length);

}  // namespace longspan
