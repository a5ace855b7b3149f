// A tensor as an HDF5 dataset: its elements in row-major order with the attributes "dtype" and "checksum". HDF5 has no
// bfloat16, so its bits are stored as uint16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/hdf5.hpp"
#include "layout/sequence_shard.hpp"
#include "tensor/dtype.hpp"
#include "tensor/shape.hpp"

namespace longspan {

struct DatasetInfo {
  std::string name;  // full path in the file
  std::vector<std::int64_t> dims;
  std::string dtype;  // the attribute, or the type that HDF5 stores
  std::int64_t bytes = 0;
};

// Writes a dataset with the attribute "checksum" and gives it back for more of them. `path` is the file's name, for
// errors. `type` is that of the file and of the data.
hdf5::Handle write_dataset(hid_t group, const std::string& name, const std::vector<std::int64_t>& dims, hid_t type,
                           const void* data, const std::string& path);
// The same with the attribute "dtype".
hdf5::Handle write_tensor(hid_t group, const std::string& name, const Shape& shape, Dtype dtype, const void* data,
                          const std::string& path);

Dtype stored_dtype(hid_t dataset, const std::string& path);
std::vector<std::int64_t> stored_dims(hid_t dataset);

// The entries of dimension `dim` at the positions of `runs`, which ascend, all of the others, in the stored dtype.
std::vector<std::byte> read_part(hid_t dataset, int dim, const std::vector<PositionRun>& runs, const std::string& path);

// Between float64, float32 and bfloat16, each step of rounding to nearest even.
std::vector<std::byte> convert(std::vector<std::byte> values, Dtype from, Dtype to);

// xxHash64 of all elements as they are stored, as 16 hexadecimal digits.
std::string checksum_of(hid_t dataset, const std::string& path);
// Whether the checksum is the attribute's; nothing where there is no such attribute.
std::optional<bool> checksum_holds(hid_t dataset, const std::string& path);

// All datasets of a file, by name.
std::vector<DatasetInfo> list_datasets(hid_t file, const std::string& path);

}  // namespace longspan
