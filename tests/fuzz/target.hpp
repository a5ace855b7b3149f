// What every fuzzer is made of: fuzz_one() of a target, called by fuzz_main.cpp with one input after the other.
#pragma once

#include <functional>
#include <string>

namespace longspan::fuzz {

// Reads the input as the target's reader would. Sentences for the user are answers; whatever else is thrown, a crash
// or a leak is a finding.
void fuzz_one(const std::string& input);

// A file in memory that holds `content`, under a path that readers can open.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& content);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

// The content of the file that `make` leaves at the path it is given.
std::string content_made_by(const std::function<void(const std::string& path)>& make);

}  // namespace longspan::fuzz
