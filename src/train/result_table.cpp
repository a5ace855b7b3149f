#include "train/result_table.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <format>

#include "base/error.hpp"
#include "checkpoint/provenance_attributes.hpp"
#include "data/hdf5.hpp"

namespace longspan {
namespace {

using hdf5::Handle;

constexpr std::int64_t kResultsVersion = 1;

std::string printed(const ResultTable::Value& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return std::to_string(*whole);
  return std::format("{:.4g}", std::get<double>(value));
}

Handle file_type_of(const ResultTable::Value& value) {
  Handle type(H5Tcopy(std::holds_alternative<std::string>(value)    ? H5T_C_S1
                      : std::holds_alternative<std::int64_t>(value) ? H5T_STD_I64LE
                                                                    : H5T_IEEE_F64LE),
              H5Tclose);
  if (std::holds_alternative<std::string>(value)) {
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
  }
  return type;
}

template <class T>
std::vector<T> values_of(const std::vector<ResultTable::Value>& values) {
  std::vector<T> all;
  for (const auto& value : values) {
    if constexpr (std::is_same_v<T, const char*>) {
      all.push_back(std::get<std::string>(value).c_str());
    } else {
      all.push_back(std::get<T>(value));
    }
  }
  return all;
}

void write_values(hid_t dataset, const std::vector<ResultTable::Value>& values, hid_t file_type,
                  const std::string& path) {
  const auto write = [&](hid_t memory_type, const void* data) {
    hdf5::check(H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), "write", path);
  };
  if (std::holds_alternative<std::string>(values[0])) return write(file_type, values_of<const char*>(values).data());
  if (std::holds_alternative<double>(values[0])) return write(H5T_NATIVE_DOUBLE, values_of<double>(values).data());
  write(H5T_NATIVE_INT64, values_of<std::int64_t>(values).data());
}

}  // namespace

void ResultTable::add(const std::vector<Cell>& row) {
  if (columns_.empty()) {
    for (const Cell& cell : row) columns_.push_back({cell.column, cell.unit, {}});
  }
  LONGSPAN_CHECK(row.size() == columns_.size(), "[results] {} values for {} columns", row.size(), columns_.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    Column& column = columns_[i];
    LONGSPAN_CHECK(row[i].column == column.name &&
                       (column.values.empty() || column.values.front().index() == row[i].value.index()),
                   "[results] column {} got a value of {}, or one of another type", column.name, row[i].column);
    column.values.push_back(row[i].value);
  }
}

std::string ResultTable::text() const {
  std::vector<std::string> lines(rows() + 2);
  for (const Column& column : columns_) {
    std::vector<std::string> cells = {column.name, column.unit == "1" ? "" : column.unit};
    for (const Value& value : column.values) cells.push_back(printed(value));
    std::size_t width = 0;
    for (const std::string& cell : cells) width = std::max(width, cell.size());
    const bool words = !column.values.empty() && std::holds_alternative<std::string>(column.values.front());
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (!lines[i].empty()) lines[i] += "  ";
      lines[i] += words ? std::format("{:<{}}", cells[i], width) : std::format("{:>{}}", cells[i], width);
    }
  }
  std::string all;
  for (const std::string& line : lines) all += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  return all;
}

void ResultTable::write(const std::string& path, const Provenance& provenance) const {
  try {
    Handle file = hdf5::create_file(path);
    hdf5::write_integer(file, "format_version", kResultsVersion, path);
    write_provenance(file, provenance, "start_time", path);
    Handle group = hdf5::check(H5Gcreate2(file, "results", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), H5Gclose,
                               "write '/results' into", path);
    for (const Column& column : columns_) {
      const hsize_t count = column.values.size();
      const Handle space(H5Screate_simple(1, &count, nullptr), H5Sclose), type = file_type_of(column.values[0]);
      Handle dataset =
          hdf5::check(H5Dcreate2(group, column.name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                      H5Dclose, "write '" + column.name + "' into", path);
      hdf5::write_text(dataset, "unit", column.unit, path);
      write_values(dataset, column.values, type, path);
      dataset.close(path);
    }
    group.close(path);
    file.close(path);
  } catch (const EnvironmentError&) {
    std::remove(path.c_str());
    throw;
  }
}

}  // namespace longspan
