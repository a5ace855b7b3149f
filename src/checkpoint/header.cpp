#include "checkpoint/header.hpp"

#include "checkpoint/checkpoint.hpp"
#include "checkpoint/state_attributes.hpp"
#include "checkpoint/tensor_file.hpp"
#include "data/footer.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr hsize_t kStripe = 1 << 20;  // bytes: large tensors begin at multiples of it, as file systems are striped

// Without times of creation: the same state makes the same file.
Handle timeless(hid_t property_class) {
  Handle properties(H5Pcreate(property_class), H5Pclose);
  H5Pset_obj_track_times(properties, false);
  return properties;
}

Handle make_group(hid_t file, const std::string& name, const std::string& path) {
  return hdf5::check(H5Gcreate2(file, name.c_str(), H5P_DEFAULT, timeless(H5P_GROUP_CREATE), H5P_DEFAULT), H5Gclose,
                     "write", path);
}

Range make_tensor(hid_t file, const std::string& group, const CatalogueEntry& entry, Dtype dtype, std::int64_t sum,
                  const std::string& path) {
  Handle dataset =
      create_tensor(file, group + "/" + entry.name, entry.shape, dtype, static_cast<std::uint64_t>(sum), path);
  hdf5::write_text(dataset, "shard_axis", to_string(entry.shard.axis), path);
  hdf5::write_integer(dataset, "shard_dim", entry.shard.dim, path);
  hdf5::write_integer(dataset, "shard_granule", entry.shard.granule, path);
  const haddr_t begin = H5Dget_offset(dataset);
  dataset.close(path);
  const auto first = begin == HADDR_UNDEF ? 0 : static_cast<std::int64_t>(begin);
  return {first, first + entry.shape.size() * static_cast<std::int64_t>(size_of(dtype))};
}

}  // namespace

std::int64_t CheckpointContent::bytes() const {
  std::int64_t elements = 0, bytes = 0;
  for (const auto& entry : entries) elements += entry.shape.size();
  for (const auto& array : arrays) bytes += elements * static_cast<std::int64_t>(size_of(array.flat.dtype()));
  return bytes;
}

std::vector<std::int64_t> write_header(const std::string& path, const CheckpointContent& content) {
  const Handle access = hdf5::file_access();
  H5Pset_alignment(access, kStripe, kStripe);
  Handle file =
      hdf5::check(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, timeless(H5P_FILE_CREATE), access), H5Fclose, "create", path);
  hdf5::write_integer(file, "format_version", kCheckpointVersion, path);
  if (content.optimizer_steps) {
    hdf5::write_integer(make_group(file, "optimizer", path), "steps", *content.optimizer_steps, path);
  }
  write_state(make_group(file, "state", path), content.state, path);
  std::vector<Range> places;
  for (const CheckpointArray& array : content.arrays) {
    make_group(file, array.group, path);
    for (const auto& entry : content.entries) {
      places.push_back(make_tensor(file, array.group, entry, array.flat.dtype(), content.sums[places.size()], path));
    }
  }
  hdf5::check(H5Fflush(file, H5F_SCOPE_GLOBAL), "write", path);
  file.close(path);
  append_footer(path, places);
  std::vector<std::int64_t> begins;
  for (const Range& place : places) begins.push_back(place.begin);
  return begins;
}

}  // namespace longspan
