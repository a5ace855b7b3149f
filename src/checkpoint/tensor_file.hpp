// A tensor as an HDF5 dataset: its elements in row-major order, contiguous in the file, with the attributes "dtype" and
// "checksum". HDF5 has no bfloat16, so its bits are stored as uint16.
#pragma once

#include <cstddef>
#include <cstdint>
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
  std::string dtype;        // the attribute, or the type that HDF5 stores
  std::string stored_type;  // "uint16"
  std::int64_t bytes = 0;
};

// Makes a contiguous dataset whose place in the file is settled but whose elements are yet to be written. `path` is the
// file's name, for errors.
hdf5::Handle create_dataset(hid_t group, const std::string& name, const std::vector<std::int64_t>& dims, hid_t type,
                            const std::string& path);
// The same with the attributes "dtype" and "checksum": `sum` is that of all elements (checkpoint/checksum.hpp).
hdf5::Handle create_tensor(hid_t group, const std::string& name, const Shape& shape, Dtype dtype, std::uint64_t sum,
                           const std::string& path);
// A whole dataset of bytes with its checksum.
void write_bytes(hid_t group, const std::string& name, const std::string& bytes, const std::string& path);

Dtype stored_dtype(hid_t dataset, const std::string& path);
std::vector<std::int64_t> stored_dims(hid_t dataset);

// The entries of dimension `dim` at the positions of `runs`, which ascend, all of the others, in the stored dtype.
std::vector<std::byte> read_part(hid_t dataset, int dim, const std::vector<PositionRun>& runs, const std::string& path);

// Between float64, float32 and bfloat16, each step of rounding to nearest even.
std::vector<std::byte> convert(std::vector<std::byte> values, Dtype from, Dtype to);

// Whether the elements have the checksum that the dataset's attribute says.
bool checksum_holds(hid_t dataset, const std::string& path);
// xxHash64 of all elements as they are stored, as 16 hexadecimal digits: the checksum of a token store.
std::string xxhash_of(hid_t dataset, const std::string& path);

DatasetInfo describe_dataset(hid_t dataset, const std::string& name, const std::string& path);
// All datasets of a file, by name.
std::vector<DatasetInfo> list_datasets(hid_t file, const std::string& path);

}  // namespace longspan
