// What a run would find on these ranks, how fast they are, and what looks wrong, before hours are spent.
#pragma once

#include <cstdint>
#include <string>

#include "config/options.hpp"
#include "train/environment.hpp"
#include "train/result_table.hpp"

namespace longspan {

struct EnvironmentBenchmarkConfig {
  std::int64_t data = 0, tensor = 1, pipeline = 1, sequence = 1;
  std::string directory = "runs", output;
  std::int64_t message = 4 << 20, file = 256 << 20;  // bytes
};
void bind(Options& options, EnvironmentBenchmarkConfig& config);

// Rows of kind "found", "measured" and "beware"; `value` is NaN where the row is a text alone.
class EnvironmentReport {
 public:
  void found(const std::string& what, const std::string& text);
  void measured(const std::string& what, double value, const std::string& unit, const std::string& text);
  void beware(const std::string& sentence);

  std::string text() const;
  ResultTable table() const;

 private:
  struct Row {
    std::string kind, what, unit, text;
    double value;
  };
  std::vector<Row> rows_;
};

// Collective over `world`; the report is rank 0's. UserError where the mesh does not fit the ranks, EnvironmentError
// where run.directory cannot be written.
EnvironmentReport examine_environment(const EnvironmentBenchmarkConfig& config, const Comm& world);

}  // namespace longspan
