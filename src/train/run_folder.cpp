#include "train/run_folder.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "comm/together.hpp"

namespace longspan {
namespace {

namespace fs = std::filesystem;

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw EnvironmentError("cannot make the folder {}: {}; set run.directory", path, error.message());
}

// The old content stays until the new one is whole.
void replace(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::binary);
  file << content;
  file.close();
  if (file && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int error = errno;
  std::remove(temporary.c_str());
  throw EnvironmentError("cannot write {}: {}; set run.directory", path, std::strerror(error));
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
    if (world.rank() == 0) replace(path_ + "/config.cfg", config);
  });
}

}  // namespace longspan
