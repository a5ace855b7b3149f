// One scratch folder for all ranks. Collective: it is made and removed by all of them together.
#pragma once

#include <optional>
#include <string>

#include "comm/comm.hpp"
#include "support/scratch_folder.hpp"

namespace longspan::testing {

class SharedFolder {
 public:
  explicit SharedFolder(const Comm& comm) : comm_(comm) {
    if (comm.rank() == 0) own_.emplace();
    path_ = comm.broadcast_text(own_ ? own_->path() : "", 0);
  }
  ~SharedFolder() { comm_.barrier(); }
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;

  std::string path(const std::string& name = "") const { return path_ + name; }

  // Rank 0 writes; all wait for it.
  std::string write(const std::string& name, const std::string& content) const {
    comm_.barrier();
    if (own_) own_->write(name, content);
    comm_.barrier();
    return path(name);
  }
  // What every rank reads, after all have come here.
  std::string read(const std::string& name) const {
    comm_.barrier();
    std::ostringstream text;
    text << std::ifstream(path(name), std::ios::binary).rdbuf();
    comm_.barrier();
    return text.str();
  }

 private:
  Comm comm_;
  std::optional<ScratchFolder> own_;
  std::string path_;
};

}  // namespace longspan::testing
