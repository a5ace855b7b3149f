// Files of the safetensors format, which Hugging Face's libraries read and write:
//   8 bytes, little-endian: n, the length of the header
//   n bytes of JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ..., "__metadata__": {}}
//   the tensors' bytes, row-major, little-endian, without gaps; offsets count from here
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "tensor/dtype.hpp"

namespace longspan {

struct SafeTensor {
  std::vector<std::int64_t> dims;
  std::string dtype;  // "F64", "F32", "BF16", "F16" or another that only has a size
  std::int64_t begin = 0, end = 0;

  std::int64_t elements() const;
};

class SafetensorsReader {
 public:
  // Reads and checks the header. UserError where the file is missing, no safetensors file, cut short or too long.
  explicit SafetensorsReader(const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, SafeTensor>& tensors() const { return tensors_; }
  // All values in one of our dtypes: F64, F32 and BF16 as they are, F16 as float32. UserError for another type.
  struct Values {
    Dtype dtype = Dtype::float32;
    std::vector<std::byte> bytes;
  };
  Values read(const std::string& name) const;

 private:
  std::string path_;
  std::int64_t data_ = 0;  // where the tensors' bytes begin
  std::map<std::string, SafeTensor> tensors_;
};

class SafetensorsWriter {
 public:
  struct Entry {
    std::string name;
    std::vector<std::int64_t> dims;
    Dtype dtype = Dtype::float32;
  };
  // Writes the header of all tensors; their values follow in the same order. The file has a temporary name until
  // finish(). EnvironmentError where it cannot be written.
  SafetensorsWriter(const std::string& path, const std::vector<Entry>& entries,
                    const std::map<std::string, std::string>& metadata);
  ~SafetensorsWriter();  // without finish() nothing is left
  void append(const std::vector<std::byte>& values);
  void finish();

 private:
  void check_written();

  std::string path_, temporary_;
  std::ofstream file_;
  bool finished_ = false;
};

}  // namespace longspan
