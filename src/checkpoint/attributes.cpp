#include "checkpoint/attributes.hpp"

#include <xxhash.h>

#include <algorithm>
#include <format>

#include "base/error.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

std::string array_text(const Handle& attribute, const Handle& type, const Handle& space, const std::string& name,
                       const std::string& path) {
  if (H5Tget_class(type) == H5T_STRING) throw UserError("attribute '{}' of {} is an array of texts", name, path);
  const auto count = static_cast<std::size_t>(std::max<hssize_t>(0, H5Sget_simple_extent_npoints(space)));
  std::vector<std::byte> bytes(count * H5Tget_size(type));
  hdf5::check(H5Aread(attribute, type, bytes.data()), "read attribute '" + name + "' of", path);
  return std::format("{} values: {:016x}", count, XXH64(bytes.data(), bytes.size(), 0));
}

}  // namespace

std::vector<std::string> attribute_names(hid_t object, const std::string& path) {
  std::vector<std::string> names;
  const auto keep = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->push_back(name);
    return 0;
  };
  hdf5::check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, keep, &names), "read attributes of", path);
  std::ranges::sort(names);
  return names;
}

std::string attribute_text(hid_t object, const std::string& name, const std::string& path) {
  const std::string doing = "read attribute '" + name + "' of";
  const Handle attribute = hdf5::check(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose, doing, path);
  const Handle type = hdf5::check(H5Aget_type(attribute), H5Tclose, doing, path);
  const Handle space = hdf5::check(H5Aget_space(attribute), H5Sclose, doing, path);
  if (H5Sget_simple_extent_ndims(space) > 0) return array_text(attribute, type, space, name, path);
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return hdf5::read_text(object, name, path);
    case H5T_INTEGER:
      return std::to_string(hdf5::read_integer(object, name, path));
    case H5T_FLOAT:
      return std::format("{}", hdf5::read_real(object, name, path));
    default:
      throw UserError("attribute '{}' of {} is of no known type", name, path);
  }
}

}  // namespace longspan
