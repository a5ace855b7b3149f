#include "checkpoint/tensor_file.hpp"

#include <xxhash.h>

#include <algorithm>
#include <format>
#include <functional>
#include <memory>
#include <numeric>

#include "base/error.hpp"
#include "checkpoint/checksum.hpp"
#include "tensor/dispatch.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr std::int64_t kPieceBytes = 64 << 20;  // read at once while a checksum is computed

hid_t file_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::float64:
      return H5T_IEEE_F64LE;
    case Dtype::float32:
      return H5T_IEEE_F32LE;
    case Dtype::bfloat16:
      return H5T_STD_U16LE;
    case Dtype::int32:
      return H5T_STD_I32LE;
    case Dtype::int64:
      return H5T_STD_I64LE;
  }
  return H5I_INVALID_HID;
}

std::int64_t product(const std::vector<std::int64_t>& dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

// "uint16", "float32": what HDF5 itself stores.
std::string type_name(hid_t type) {
  const std::size_t bits = 8 * H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_FLOAT:
      return std::format("float{}", bits);
    case H5T_INTEGER:
      return std::format("{}int{}", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
    case H5T_STRING:
      return "text";
    default:
      return "other";
  }
}

}  // namespace

Handle create_dataset(hid_t group, const std::string& name, const std::vector<std::int64_t>& dims, hid_t type,
                      const std::string& path) {
  const std::vector<hsize_t> extent(dims.begin(), dims.end());
  const Handle space(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), H5Sclose);
  const Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY);  // so that its place is known
  H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER);    // every element is written
  H5Pset_obj_track_times(properties, false);            // equal tensors make equal files
  return hdf5::check(H5Dcreate2(group, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT), H5Dclose,
                     "write '" + name + "' into", path);
}

Handle create_tensor(hid_t group, const std::string& name, const Shape& shape, Dtype dtype, std::uint64_t sum,
                     const std::string& path) {
  std::vector<std::int64_t> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  Handle dataset = create_dataset(group, name, dims, file_type(dtype), path);
  hdf5::write_text(dataset, "dtype", to_string(dtype), path);
  hdf5::write_text(dataset, "checksum", checksum_text(sum), path);
  return dataset;
}

void write_bytes(hid_t group, const std::string& name, const std::string& bytes, const std::string& path) {
  const auto count = static_cast<std::int64_t>(bytes.size());
  const Handle dataset = create_dataset(group, name, {count}, H5T_STD_U8LE, path);
  hdf5::check(H5Dwrite(dataset, H5T_STD_U8LE, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), "write '" + name + "' into",
              path);
  hdf5::write_text(dataset, "checksum", checksum_text(sum_of_elements(bytes.data(), 1, 0, count)), path);
}

DatasetInfo describe_dataset(hid_t dataset, const std::string& name, const std::string& path) {
  const Handle type(H5Dget_type(dataset), H5Tclose);
  DatasetInfo info{name, stored_dims(dataset), type_name(type), type_name(type), 0};
  info.bytes = product(info.dims) * static_cast<std::int64_t>(H5Tget_size(type));
  if (hdf5::has_attribute(dataset, "dtype")) info.dtype = hdf5::read_text(dataset, "dtype", path);
  return info;
}

Dtype stored_dtype(hid_t dataset, const std::string& path) {
  const Dtype dtype = parse_float_dtype(hdf5::read_text(dataset, "dtype", path), "attribute 'dtype' in " + path + ":");
  const Handle type(H5Dget_type(dataset), H5Tclose);
  if (H5Tequal(type, file_type(dtype)) <= 0) {
    throw UserError("a dataset of {} says that it is {}, but holds {}", path, to_string(dtype), type_name(type));
  }
  return dtype;
}

std::vector<std::int64_t> stored_dims(hid_t dataset) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  std::vector<hsize_t> dims(static_cast<std::size_t>(std::max(0, H5Sget_simple_extent_ndims(space))));
  H5Sget_simple_extent_dims(space, dims.data(), nullptr);
  return {dims.begin(), dims.end()};
}

std::vector<std::byte> read_part(hid_t dataset, int dim, const std::vector<PositionRun>& runs,
                                 const std::string& path) {
  const auto dims = stored_dims(dataset);
  std::vector<hsize_t> extent(dims.begin(), dims.end());
  const Handle type(H5Dget_type(dataset), H5Tclose), from(H5Dget_space(dataset), H5Sclose);
  if (!dims.empty()) {
    std::vector<hsize_t> start(dims.size(), 0), stride(dims.size(), 1), count(extent);
    extent[dim] = 0;
    H5Sselect_none(from);
    for (const PositionRun& run : runs) {
      start[dim] = static_cast<hsize_t>(run.first);
      stride[dim] = static_cast<hsize_t>(run.stride);
      count[dim] = static_cast<hsize_t>(run.count);
      extent[dim] += count[dim];
      H5Sselect_hyperslab(from, H5S_SELECT_OR, start.data(), stride.data(), count.data(), nullptr);
    }
  }
  std::int64_t elements = 1;
  for (const hsize_t n : extent) elements *= static_cast<std::int64_t>(n);
  std::vector<std::byte> values(static_cast<std::size_t>(elements) * H5Tget_size(type));
  if (elements == 0) return values;
  const Handle to(
      dims.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
      H5Sclose);
  hdf5::check(H5Dread(dataset, type, to, from, H5P_DEFAULT, values.data()), "read", path);
  return values;
}

std::vector<std::byte> convert(std::vector<std::byte> values, Dtype from, Dtype to) {
  if (from == to) return values;
  const std::size_t count = values.size() / size_of(from);
  std::vector<std::byte> converted(count * size_of(to));
  dispatch_float("convert", from, [&]<class From>() {
    dispatch_float("convert", to, [&]<class To>() {
      const auto* x = reinterpret_cast<const From*>(values.data());
      auto* y = reinterpret_cast<To*>(converted.data());
      for (std::size_t i = 0; i < count; ++i) y[i] = static_cast<To>(static_cast<accumulation_t<From>>(x[i]));
    });
  });
  return converted;
}

bool checksum_holds(hid_t dataset, const std::string& path) {
  return checksum_text(sum_of_rows(dataset, {0, rows_of(dataset)}, path)) == hdf5::read_text(dataset, "checksum", path);
}

std::string xxhash_of(hid_t dataset, const std::string& path) {
  const auto dims = stored_dims(dataset);
  const Handle type(H5Dget_type(dataset), H5Tclose);
  const std::int64_t rows = rows_of(dataset);
  const std::int64_t bytes = product(dims) * static_cast<std::int64_t>(H5Tget_size(type));
  const std::int64_t piece = bytes == 0 ? 1 : std::max<std::int64_t>(1, rows * kPieceBytes / bytes);
  const std::unique_ptr<XXH64_state_t, XXH_errorcode (*)(XXH64_state_t*)> hash{XXH64_createState(), XXH64_freeState};
  XXH64_reset(hash.get(), 0);
  for (std::int64_t first = 0; first < rows && bytes > 0; first += piece) {
    const auto values = read_part(dataset, 0, {{.first = first, .count = std::min(piece, rows - first)}}, path);
    XXH64_update(hash.get(), values.data(), values.size());
  }
  return std::format("{:016x}", XXH64_digest(hash.get()));
}

std::vector<DatasetInfo> list_datasets(hid_t file, const std::string& path) {
  std::vector<std::string> names;
  const auto keep = [](hid_t, const char* name, const H5O_info2_t* info, void* out) -> herr_t {
    if (info->type == H5O_TYPE_DATASET) static_cast<std::vector<std::string>*>(out)->push_back(name);
    return 0;
  };
  hdf5::check(H5Ovisit3(file, H5_INDEX_NAME, H5_ITER_NATIVE, keep, &names, H5O_INFO_BASIC), "list", path);
  std::ranges::sort(names);
  std::vector<DatasetInfo> datasets;
  for (const std::string& name : names) {
    datasets.push_back(describe_dataset(hdf5::open_dataset(file, name, path), "/" + name, path));
  }
  return datasets;
}

}  // namespace longspan
