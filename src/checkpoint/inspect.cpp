#include "checkpoint/inspect.hpp"

#include <algorithm>
#include <filesystem>
#include <format>
#include <optional>

#include "base/error.hpp"
#include "checkpoint/attributes.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/tensor_file.hpp"
#include "data/footer.hpp"
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
  std::string lines;
  for (const std::string& name : attribute_names(object, path)) {
    lines += attribute_lines(name, attribute_text(object, name, path));
  }
  return lines;
}

// Nothing where the file keeps no checksum of this dataset. A token store keeps that of its tokens at the root.
std::optional<bool> holds(const Handle& file, const std::string& name, const std::string& path) {
  const Handle dataset = hdf5::open_dataset(file, name, path);
  if (name == "/tokens" && hdf5::has_attribute(file, "checksum")) {
    return xxhash_of(dataset, path) == hdf5::read_text(file, "checksum", path);
  }
  if (hdf5::has_attribute(dataset, "checksum")) return checksum_holds(dataset, path);
  xxhash_of(dataset, path);  // at least it can be read
  return std::nullopt;
}

std::string verdict(const Handle& file, const std::string& name, const std::string& path) {
  try {
    const auto result = holds(file, name, path);
    return !result ? "readable" : *result ? "checksum holds" : "CHECKSUM IS WRONG";
  } catch (const Error&) {
    return "CANNOT BE READ";
  }
}

std::int64_t count_elements(const DatasetInfo& dataset) {
  std::int64_t n = 1;
  for (const std::int64_t dim : dataset.dims) n *= dim;
  return n;
}

std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t n : dims) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

void describe_datasets(const Handle& file, const std::string& path, bool verify, Inspection& inspection) {
  const auto datasets = list_datasets(file, path);
  std::size_t width = 0;
  std::int64_t bytes = 0, elements = 0;
  for (const auto& dataset : datasets) width = std::max(width, dataset.name.size());
  for (const auto& dataset : datasets) {
    const std::string state = verify ? verdict(file, dataset.name, path) : "";
    if (state == "CHECKSUM IS WRONG" || state == "CANNOT BE READ") inspection.damaged.push_back(dataset.name);
    const std::string line =
        std::format("  {:<{}}  {:<16} {:<9} {:>10}  {}", dataset.name, width, dims_text(dataset.dims), dataset.dtype,
                    format_bytes(static_cast<double>(dataset.bytes)), state);
    inspection.report += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    bytes += dataset.bytes;
    if (dataset.name.starts_with("/model/")) elements += count_elements(dataset);
  }
  inspection.report += std::format("  {} datasets, {}", datasets.size(), format_bytes(static_cast<double>(bytes)));
  inspection.report += elements > 0 ? std::format(", {} parameters\n", elements) : "\n";
}

void describe_state(const Handle& file, const std::string& path, Inspection& inspection) {
  try {
    const Handle group = hdf5::check(H5Gopen2(file, "state", H5P_DEFAULT), H5Gclose, "open /state of", path);
    inspection.report += describe_attributes(group, path);
    read_checkpoint_info(path);
  } catch (const Error& error) {
    inspection.damaged.push_back("the description");
    inspection.report += std::format("  {}\n", error.what());
  }
}

}  // namespace

Inspection inspect(const std::string& path, bool verify) {
  if (has_footer(path)) check_footer(path, "file");  // before HDF5 reads it
  const Handle file = open(path);
  const std::string kind = kind_of(file, path);
  std::error_code error;
  const auto bytes = static_cast<double>(std::filesystem::file_size(path, error));
  Inspection inspection;
  inspection.report = std::format("{}: {}, {}\n", path, kind, format_bytes(error ? 0 : bytes));
  inspection.report += describe_attributes(file, path);
  if (kind == "checkpoint") describe_state(file, path, inspection);
  describe_datasets(file, path, verify, inspection);
  return inspection;
}

}  // namespace longspan
