// Results of benchmarks: rows of named columns, printed as a table or written to an HDF5 file that any reader knows.
//   /results/<column>   1-D, one entry a row: float64, int64 or text; attribute `unit` ("s", "byte", "1")
//   attributes of /     format_version, and where the file comes from, as in a run's metrics (docs/metrics_format.md)
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/provenance.hpp"

namespace longspan {

class ResultTable {
 public:
  using Value = std::variant<std::int64_t, double, std::string>;
  struct Cell {
    std::string column, unit;
    Value value;
  };

  // All rows have the columns and types of the first.
  void add(const std::vector<Cell>& row);

  bool empty() const { return rows() == 0; }
  std::size_t rows() const { return columns_.empty() ? 0 : columns_.front().values.size(); }
  // Columns side by side: a line of names, one of units, one a row.
  std::string text() const;
  // EnvironmentError where the file cannot be written; then nothing is left of it.
  void write(const std::string& path, const Provenance& provenance) const;

 private:
  struct Column {
    std::string name, unit;
    std::vector<Value> values;
  };
  std::vector<Column> columns_;
};

}  // namespace longspan
