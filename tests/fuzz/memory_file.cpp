#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "target.hpp"

namespace longspan::fuzz {

MemoryFile::MemoryFile(const std::string& content) : descriptor_(memfd_create("fuzz", 0)) {
  if (descriptor_ < 0) throw std::runtime_error("memfd_create failed");
  path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  std::ofstream(path_, std::ios::binary) << content;
}

MemoryFile::~MemoryFile() { close(descriptor_); }

std::string content_made_by(const std::function<void(const std::string& path)>& make) {
  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("longspan_fuzz_" + std::to_string(getpid()));
  make(path);
  std::ostringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  std::filesystem::remove(path);
  return content.str();
}

}  // namespace longspan::fuzz
