#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/machine.hpp"
#include "base/timer.hpp"

namespace longspan {
namespace {

constexpr std::size_t kBlock = 8 << 20;  // bytes of a call

// A file that goes with its object.
class Scratch {
 public:
  explicit Scratch(std::string path)
      : path_(std::move(path)), file_(open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)) {
    require(file_ >= 0, "make");
  }
  ~Scratch() {
    if (file_ >= 0) close(file_);
    unlink(path_.c_str());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  int file() const { return file_; }
  void require(bool fulfilled, const char* what) const {
    if (fulfilled) return;
    const int reason = errno;
    unlink(path_.c_str());
    throw EnvironmentError("cannot {} {}: {}; set run.directory or a smaller bench.file", what, path_,
                           std::strerror(reason));
  }

 private:
  std::string path_;
  int file_;
};

}  // namespace

DiskRates measure_disk(const std::string& folder, std::int64_t bytes) {
  const Scratch scratch(folder + "/longspan-bench-" + std::to_string(getpid()) + ".tmp");
  std::vector<char> block(kBlock);
  // No two pages alike: some file systems store what repeats only once.
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 2654435761u >> 13);
  const auto part = [&](std::int64_t done) { return std::min<std::int64_t>(kBlock, bytes - done); };

  const Timer writing;
  for (std::int64_t done = 0; done < bytes;) {
    const ssize_t n = write(scratch.file(), block.data(), static_cast<std::size_t>(part(done)));
    scratch.require(n > 0, "write");
    done += n;
  }
  scratch.require(fsync(scratch.file()) == 0, "write");
  DiskRates rates;
  rates.write = static_cast<double>(bytes) / writing.seconds();

  posix_fadvise(scratch.file(), 0, 0, POSIX_FADV_DONTNEED);
  const Timer reading;
  for (std::int64_t done = 0; done < bytes;) {
    const ssize_t n = pread(scratch.file(), block.data(), static_cast<std::size_t>(part(done)), done);
    scratch.require(n > 0, "read");
    done += n;
  }
  rates.read = static_cast<double>(bytes) / reading.seconds();
  return rates;
}

}  // namespace longspan
