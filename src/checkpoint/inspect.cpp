#include "checkpoint/inspect.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <optional>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/state_attributes.hpp"
#include "checkpoint/tensor_file.hpp"
#include "data/hdf5.hpp"
#include "tensor/memory.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

// A file that a run is writing opens for nobody but such readers.
Handle open(const std::string& path) {
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, hdf5::file_access()), H5Fclose);
  return file.open() ? std::move(file) : hdf5::open_file(path, "file");
}

std::string kind_of(const Handle& file, const std::string& path) {
  if (hdf5::has_link(file, "model") && hdf5::has_link(file, "state")) return "checkpoint";
  if (hdf5::has_link(file, "train") && hdf5::has_link(file, "validation")) return "metrics";
  if (hdf5::has_link(file, "tokens") && hdf5::has_link(file, "documents")) return "token store";
  throw UserError("{} is an HDF5 file, but no checkpoint, metrics or token store of Longspan", path);
}

std::string value_text(hid_t object, const std::string& name, const std::string& path) {
  const Handle attribute(H5Aopen(object, name.c_str(), H5P_DEFAULT), H5Aclose);
  const Handle type(H5Aget_type(attribute), H5Tclose), space(H5Aget_space(attribute), H5Sclose);
  if (H5Sget_simple_extent_ndims(space) > 0) return std::format("{} values", H5Sget_simple_extent_npoints(space));
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      return hdf5::read_text(object, name, path);
    case H5T_INTEGER:
      return std::to_string(hdf5::read_integer(object, name, path));
    case H5T_FLOAT:
      return std::format("{}", hdf5::read_real(object, name, path));
    default:
      return "of another type";
  }
}

// "  name    value", or the lines of a long text below the name.
std::string attribute_lines(const std::string& name, const std::string& value) {
  if (value.find('\n') == std::string::npos) return std::format("  {:<16} {}\n", name, value);
  std::string lines = "  " + name + "\n";
  for (std::size_t begin = 0; begin < value.size();) {
    const std::size_t end = std::min(value.find('\n', begin), value.size());
    lines += (end > begin ? "    " : "") + value.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return lines;
}

std::string describe_attributes(hid_t object, const std::string& path) {
  std::vector<std::string> names;
  const auto keep = [](hid_t, const char* name, const H5A_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->push_back(name);
    return 0;
  };
  hdf5::check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, keep, &names), "read attributes of", path);
  std::string lines;
  for (const std::string& name : names) lines += attribute_lines(name, value_text(object, name, path));
  return lines;
}

// Nothing where the file keeps no checksum of this dataset. A token store keeps that of its tokens at the root.
std::optional<bool> holds(const Handle& file, const std::string& name, const std::string& path) {
  const Handle dataset = hdf5::open_dataset(file, name, path);
  if (name == "/tokens" && hdf5::has_attribute(file, "checksum")) {
    return checksum_of(dataset, path) == hdf5::read_text(file, "checksum", path);
  }
  const auto own = checksum_holds(dataset, path);
  if (!own) checksum_of(dataset, path);  // at least it can be read
  return own;
}

std::string verdict(const Handle& file, const std::string& name, const std::string& path) {
  try {
    const auto result = holds(file, name, path);
    return !result ? "readable" : *result ? "checksum holds" : "CHECKSUM IS WRONG";
  } catch (const Error&) {
    return "CANNOT BE READ";
  }
}

std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t n : dims) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

void describe_datasets(const Handle& file, const std::string& path, Inspection& inspection) {
  const auto datasets = list_datasets(file, path);
  std::size_t width = 0;
  for (const auto& dataset : datasets) width = std::max(width, dataset.name.size());
  for (const auto& dataset : datasets) {
    const std::string state = verdict(file, dataset.name, path);
    if (state == "CHECKSUM IS WRONG" || state == "CANNOT BE READ") inspection.damaged.push_back(dataset.name);
    inspection.report +=
        std::format("  {:<{}}  {:<16} {:<9} {:>10}  {}\n", dataset.name, width, dims_text(dataset.dims), dataset.dtype,
                    format_bytes(static_cast<double>(dataset.bytes)), state);
  }
}

// The attributes of /state, which have a checksum of their own.
void describe_state(const Handle& file, const std::string& path, Inspection& inspection) {
  try {
    const Handle group = hdf5::check(H5Gopen2(file, "state", H5P_DEFAULT), H5Gclose, "open /state of", path);
    inspection.report += describe_attributes(group, path);
    read_state(group, path);
  } catch (const Error& error) {
    inspection.damaged.push_back("/state");
    inspection.report += std::format("  /state CANNOT BE READ: {}\n", error.what());
  }
}

}  // namespace

Inspection inspect(const std::string& path) {
  const Handle file = open(path);
  const std::string kind = kind_of(file, path);
  std::error_code error;
  const auto bytes = static_cast<double>(std::filesystem::file_size(path, error));
  Inspection inspection;
  inspection.report = std::format("{}: {}, {}\n", path, kind, format_bytes(error ? 0 : bytes));
  inspection.report += describe_attributes(file, path);
  if (kind == "checkpoint") describe_state(file, path, inspection);
  describe_datasets(file, path, inspection);
  return inspection;
}

}  // namespace longspan
