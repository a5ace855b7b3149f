#include "checkpoint/attributes.hpp"

#include <algorithm>
#include <format>

#include "base/error.hpp"

namespace longspan {
using hdf5::Handle;

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
  if (H5Sget_simple_extent_ndims(space) > 0) return std::format("{} values", H5Sget_simple_extent_npoints(space));
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
