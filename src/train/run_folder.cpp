#include "train/run_folder.hpp"

#include <filesystem>

#include "base/write_file.hpp"
#include "comm/together.hpp"

namespace longspan {
namespace {

namespace fs = std::filesystem;

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw EnvironmentError("cannot make the folder {}: {}; set run.directory", path, error.message());
}

}  // namespace

RunFolder::RunFolder(const Comm& world, const std::string& directory, const std::string& name)
    : path_((fs::path(directory) / name).string()) {
  together(world, [&] {
    if (world.rank() == 0) make_folder(path_ + "/checkpoints");
  });
}

void RunFolder::write_config(const Comm& world, const std::string& config) const {
  together(world, [&] {
    if (world.rank() == 0) write_file(path_ + "/config.cfg", config, "set run.directory");
  });
}

}  // namespace longspan
