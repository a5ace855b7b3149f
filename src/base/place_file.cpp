#include "base/place_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/error.hpp"

namespace longspan {
namespace {

void sync(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags);
  const bool done = file >= 0 && ::fsync(file) == 0;
  const int error = errno;
  if (file >= 0) ::close(file);
  if (!done) fail_writing(path, error);
}

}  // namespace

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

void place_file(const std::string& temporary, const std::string& path) {
  sync(temporary, 0);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    throw EnvironmentError("cannot rename {} to {}: {}", temporary, path, std::strerror(errno));
  }
  sync(folder_of(path), O_DIRECTORY);
}

void fail_writing(const std::string& path, int error) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    throw EnvironmentError("there is no space for {}; free some or write elsewhere", path);
  }
  throw EnvironmentError("cannot write {}: {}", path, std::strerror(error));
}

}  // namespace longspan
