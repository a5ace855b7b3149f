#include "train/stored_config.hpp"

#include <filesystem>
#include <iostream>
#include <vector>

#include "checkpoint/checkpoint.hpp"

namespace longspan {

CheckpointArgument::CheckpointArgument(int argc, const char* const* argv) : argc_(argc), argv_(argv) {
  if (argc > 1 && argv[1][0] != '-') path_ = argv[1];
}

std::string CheckpointArgument::file() const {
  if (!given()) throw UserError("no checkpoint was named; use: {} CHECKPOINT [--section.key VALUE ...]", argv_[0]);
  if (!std::filesystem::is_directory(path_)) return path_;
  const std::string file = latest_checkpoint(path_);
  if (file.empty()) throw UserError("{} holds no checkpoint; name a run's folder or a checkpoint file", path_);
  return file;
}

bool CheckpointArgument::parse(Options& options, const Comm& world) const {
  std::vector<const char*> rest = {argv_[0]};
  for (int i = given() ? 2 : 1; i < argc_; ++i) rest.push_back(argv_[i]);
  const Options::Action action = options.parse(static_cast<int>(rest.size()), rest.data());
  if (action == Options::Action::help && world.rank() == 0) std::cout << options.help();
  if (action == Options::Action::version && world.rank() == 0) std::cout << options.version();
  return action == Options::Action::help || action == Options::Action::version;
}

TrainConfig stored_config(const std::string& checkpoint) {
  TrainConfig config;
  Options options("longspan-train", "");
  bind(options, config);
  options.read_text(read_checkpoint_info(checkpoint).state.provenance.config, checkpoint);
  return config;
}

}  // namespace longspan
