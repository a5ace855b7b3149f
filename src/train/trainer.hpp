// The training loop: batches, the pipeline schedule, gradient sums, clipping, AdamW, metrics, validation, checkpoints.
#pragma once

#include <memory>

#include "base/timer.hpp"
#include "train/metrics_writer.hpp"
#include "train/progress.hpp"
#include "train/run_folder.hpp"
#include "train/session.hpp"
#include "train/training_step.hpp"
#include "train/watchdog.hpp"

namespace longspan {

class Trainer {
 public:
  // Collective over the world. The watchdog is told of every progress.
  Trainer(const TrainConfig& config, const Comm& world, Watchdog& watchdog);

  // Up to run.steps; returns the exit code: 0, or 75 after a stop signal and its checkpoint.
  int run();

 private:
  void resume();
  void load_parameters();
  void add_resources(TrainRow& row);
  void report(const StepResult& result, double seconds);
  // Says which sequences a skipped step read. DivergedError after run.patience such steps in a row.
  void count_skipped(const StepResult& result);
  void tell_about_metrics();
  void write_trace();
  void validate();
  // Where the run ends here the checkpoint is waited for and a failure is an error, otherwise a warning.
  void save(bool end);
  void start_saving();
  void finish_saving();
  struct Agreement {
    bool stop = false, written = false;
  };
  Agreement agree() const;
  bool due(std::int64_t every) const { return every > 0 && steps_done_ % every == 0; }

  Watchdog& watchdog_;
  ResumePoint resume_point_;
  Session session_;
  TrainingStep step_;
  Provenance provenance_;
  RunFolder folder_;
  Reporter reporter_;
  std::unique_ptr<MetricsWriter> metrics_;
  std::string metrics_problem_;  // that was told
  Timer clock_;
  std::int64_t steps_done_ = 0, tokens_ = 0, saved_step_ = -1, first_step_ = 0;
  std::int64_t skipped_in_a_row_ = 0;
  std::array<CommCount, kCountedGroups.size()> reported_{};  // counted up to the last report
  double matrix_rate_ = 0;                                   // FLOP/s of all ranks together
  std::unique_ptr<CheckpointSave> saving_;                   // a checkpoint on its way to the disk
};

}  // namespace longspan
