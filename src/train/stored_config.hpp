// Programs that start from a checkpoint: `PROGRAM CHECKPOINT [--section.key VALUE ...]`.
#pragma once

#include <string>

#include "comm/comm.hpp"
#include "config/options.hpp"
#include "config/run_config.hpp"

namespace longspan {

class CheckpointArgument {
 public:
  CheckpointArgument(int argc, const char* const* argv);

  bool given() const { return !path_.empty(); }
  // The checkpoint file; for a run's folder its newest. UserError where none was given or found.
  std::string file() const;
  // Reads the other arguments; true where help or the version was asked for and printed.
  bool parse(Options& options, const Comm& world) const;

 private:
  int argc_;
  const char* const* argv_;
  std::string path_;
};

// The configuration that the checkpoint's run had.
TrainConfig stored_config(const std::string& checkpoint);

}  // namespace longspan
