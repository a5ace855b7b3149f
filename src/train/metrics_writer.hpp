// metrics.h5 of a run: groups /train and /validation of one-dimensional datasets that grow by one row a step. Readers
// may open the file while the run writes it (HDF5's SWMR mode), and it stays readable where the run is killed.
// docs/metrics_format.md describes the file. One rank makes and uses this object.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/provenance.hpp"

namespace longspan {

// Groups of ranks whose bytes are counted: the axes, and the products of axes that comm/mesh.hpp names.
inline constexpr std::array<const char*, 10> kCountedGroups = {
    "data", "tensor", "pipeline", "sequence", "stage", "replicas", "positions", "model", "ends", "world"};

struct TrainRow {
  std::int64_t step = 0;  // steps done, this one included
  double loss = 0, accuracy = 0, grad_norm = 0, learning_rate = 0;
  std::int64_t tokens = 0;  // trained on since step 0
  double seconds = 0;       // since the start of the run
  double tokens_per_second = 0;
  std::int64_t peak_bytes = 0;                         // of the rank that holds most
  std::int64_t skipped = 0;                            // 1: no update, as loss or gradient norm is not finite
  std::map<std::string, std::int64_t> comm_bytes{};    // by counted group, of this step, summed over the ranks
  std::map<std::string, double> comm_seconds{};        // likewise, in calls and waiting, of the rank that spent most
  std::map<std::string, std::int64_t> memory_bytes{};  // peak so far by category, of the rank that holds most of it
};

struct ValidationRow {
  std::int64_t step = 0;  // steps done before
  double loss = 0, accuracy = 0;
  double bits_per_byte = 0;  // NaN where there is no text
};

class MetricsWriter {
 public:
  // resume_step = -1 starts a new file. Otherwise the rows of the old one (if there is one) with step <= resume_step
  // are kept. UserError where the old file cannot be read, EnvironmentError where the new one cannot be written.
  MetricsWriter(const std::string& path, const Provenance& provenance, std::int64_t resume_step = -1);
  ~MetricsWriter();

  // On return readers see the row, unless there is a problem.
  void append_train(const TrainRow& row);
  void append_validation(const ValidationRow& row);
  // Why rows wait in memory instead of being in the file, such as a full disk; empty: none waits. The file on the disk
  // stays whole meanwhile, and a later row writes all that wait.
  const std::string& problem() const { return problem_; }
  std::size_t waiting_rows() const;
  void finish();  // tries at once

  // `seconds` of the last row that was kept, from where a resumed run counts on; 0 in a new file.
  double seconds_before() const { return seconds_before_; }

 private:
  struct File;
  struct Rows;
  void write_waiting();

  std::string path_;
  Provenance provenance_;
  std::unique_ptr<File> file_;  // null: it had to be given up
  std::unique_ptr<Rows> train_, validation_;
  std::string problem_;
  double seconds_before_ = 0;
};

}  // namespace longspan
