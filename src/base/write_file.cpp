#include "base/write_file.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/error.hpp"

namespace longspan {

void write_file(const std::string& path, const std::string& content, const std::string& mend) {
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::binary);
  file << content;
  file.close();
  if (file && std::rename(temporary.c_str(), path.c_str()) == 0) return;
  const int error = errno;
  std::remove(temporary.c_str());
  throw EnvironmentError("cannot write {}: {}; {}", path, std::strerror(error), mend);
}

}  // namespace longspan
