// What this process finds of the machine that it runs on, as Linux tells it. What cannot be read stays empty or 0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longspan {

struct Machine {
  std::string processor;                // its name
  int cores = 0;                        // hardware threads
  int allowed_cores = 0;                // of them, those that this process may run on
  int numa_nodes = 0;                   // memories that are near to some cores
  std::string caches;                   // of the first core, as "L1 48K, L2 2M, L3 32M"
  std::int64_t memory = 0;              // bytes
  std::vector<std::string> interfaces;  // of the network that are up, InfiniBand's included
};

Machine find_machine();

// The most memory that this process has occupied so far, libraries and all, in bytes.
std::int64_t peak_resident_bytes();

// The kind of file system that holds a folder, or would: "ext4", "lustre", "tmpfs".
std::string file_system(const std::string& folder);

// Bytes/s at which a file of `bytes` in `folder` is written down to the device, and read again past the cache where the
// system lets go of it. The file is removed. EnvironmentError where it cannot be written.
struct DiskRates {
  double write = 0, read = 0;
};
DiskRates measure_disk(const std::string& folder, std::int64_t bytes);

}  // namespace longspan
