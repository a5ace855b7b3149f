// The folder of a run, DIRECTORY/NAME: config.cfg (the full configuration), log.txt, metrics.h5, checkpoints/. Rank 0
// makes it; every rank knows the names.
#pragma once

#include <string>

#include "comm/comm.hpp"

namespace longspan {

class RunFolder {
 public:
  // Makes the folder; what is inside stays. Where that fails all ranks throw the same EnvironmentError. Collective over
  // `world`.
  RunFolder(const Comm& world, const std::string& directory, const std::string& name);

  // config.cfg becomes `config`: once nothing can be wrong with it any more, so that a command that is refused leaves a
  // run's configuration as it was. Fails like the constructor. Collective over `world`.
  void write_config(const Comm& world, const std::string& config) const;

  const std::string& path() const { return path_; }
  std::string metrics() const { return path_ + "/metrics.h5"; }
  std::string log_file() const { return path_ + "/log.txt"; }
  std::string trace(const std::string& ending) const { return path_ + "/trace." + ending; }

 private:
  std::string path_;
};

}  // namespace longspan
