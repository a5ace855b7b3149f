#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <format>
#include <utility>

#include "base/write_file.hpp"
#include "comm/counters.hpp"
#include "comm/together.hpp"
#include "data/unigram.hpp"
#include "pipeline/measured_step.hpp"
#include "tensor/device.hpp"
#include "train/matrix_rate.hpp"
#include "train/plan.hpp"
#include "train/replica_check.hpp"
#include "train/signals.hpp"
#include "train/stored_config.hpp"

namespace longspan {
namespace {

// Small host values of all ranks in one message.
std::vector<std::int64_t> reduce_over(const Comm& comm, const std::vector<std::int64_t>& values, Reduce op) {
  const Tensor t =
      Tensor::from_host(values, {static_cast<std::int64_t>(values.size())}, Memory::communication, "totals");
  comm.all_reduce(t, op);
  return t.to_host<std::int64_t>();
}

// Rank 0's communication by group of ranks since the start, a line each.
std::vector<std::string> describe_communication() {
  std::vector<std::string> lines;
  for (const char* group : kCountedGroups) {
    const CommCount count = CommCounters::instance().of_group(group);
    if (count.calls == 0) continue;
    lines.push_back(std::format("{:<10} {:>9} calls {:>12} {:>9.1f} s in messages or waiting", group, count.calls,
                                format_bytes(static_cast<double>(count.bytes)), count.seconds));
  }
  return lines;
}

std::string describe_save(const std::string& file, std::int64_t step, const SaveReport& report) {
  const auto bytes = static_cast<double>(report.bytes);
  return std::format("step {}  checkpoint {}: {}, training waited {:.3f} s{}, written in {:.3f} s ({}/s)", step, file,
                     format_bytes(bytes), report.stalled,
                     report.had_room ? "" : " as run.memory_limit has no room for a copy", report.written,
                     format_bytes(bytes / report.written));
}

// Where the run goes on; no file where it begins.
ResumePoint choose_resume_point(const RunConfig& run, const Comm& world) {
  if (run.resume == "never") return {};
  if (run.resume != "auto") return {.file = run.resume};
  return find_resume_point(run.directory + "/" + run.name, world);
}

// Where a run goes on whose method was chosen, the choice stays: what is measured today may differ, and with another
// method sums are rounded differently.
TrainConfig with_earlier_choice(TrainConfig config, const std::string& file, const Comm& world) {
  ParallelConfig& parallel = config.parallel;
  if (parallel.sequence_method != "auto" || file.empty()) return config;
  std::string method;
  together(world, [&] {
    if (world.rank() != 0) return;
    const ParallelConfig earlier = stored_config(file).parallel;
    if (earlier.sequence == parallel.sequence && earlier.sequence_shard == parallel.sequence_shard) {
      method = earlier.sequence_method;
    }
  });
  method = world.broadcast_text(method, 0);
  if (!method.empty()) parallel.sequence_method = method;
  return config;
}

}  // namespace

Trainer::Trainer(const TrainConfig& config, const Comm& world, Watchdog& watchdog)
    : watchdog_(watchdog),
      resume_point_(choose_resume_point(config.run, world)),
      session_(with_earlier_choice(config, resume_point_.file, world), world),
      step_(session_),
      provenance_(make_provenance(config_text(session_.config()), session_.mesh().shape().str())),
      folder_(world, config.run.directory, config.run.name),
      reporter_(world.rank() == 0, folder_.log_file()) {
  reporter_.say(describe_plan(session_));
  watchdog_.progress("making the parameters");
  session_.allocate(true);
  watchdog_.progress("reading what it goes on from");
  resume();
  first_step_ = steps_done_;
  together(world, [&] {
    if (world.rank() != 0) return;
    metrics_ = std::make_unique<MetricsWriter>(folder_.metrics(), provenance_, steps_done_ > 0 ? steps_done_ : -1);
  });
  folder_.write_config(world, config_text(session_.config()));
}

void Trainer::resume() {
  for (const std::string& warning : resume_point_.warnings) reporter_.say("WARNING    " + warning);
  const std::string& file = resume_point_.file;
  if (file.empty()) return load_parameters();
  const bool verified = session_.config().run.resume == "auto";
  const TrainState state = load_checkpoint(file, session_.mesh(), session_.store(), &session_.optimizer(), verified);
  steps_done_ = state.step;
  saved_step_ = state.step;
  tokens_ = state.tokens;
  reporter_.say(std::format("resumed    {} at step {}", file, state.step));
}

void Trainer::load_parameters() {
  const CheckpointConfig& from = session_.config().checkpoint;
  if (from.load.empty()) return;
  const std::int64_t count =
      longspan::load_parameters(from.load, from.load_only, session_.mesh(), session_.store(), &session_.optimizer());
  reporter_.say(std::format("loaded     {} parameters from {}", count, from.load));
}

int Trainer::run() {
  const TrainConfig& config = session_.config();
  watchdog_.progress("measuring the matrix rate");
  matrix_rate_ = total_matrix_rate(session_);
  reporter_.say(std::format("matrix     {:.1f} GFLOP/s, all ranks together", matrix_rate_ / 1e9));
  watchdog_.progress("reading the corpus");
  // The first to read all tokens, and so the first to find a damaged one.
  together(session_.mesh().world(), [&] {
    if (session_.mesh().world().rank() != 0 || session_.corpus() == nullptr) return;
    const double entropy = unigram_entropy(*session_.corpus(), 0, session_.corpus()->info().tokens);
    reporter_.say(std::format("unigram    {:.4f} nats a token, {:.3f} bits a byte: what counting tokens alone reaches",
                              entropy, session_.bits_per_byte(entropy)));
  });
  clock_.restart();
  while (steps_done_ < config.run.steps) {
    watchdog_.progress(std::format("step {}", steps_done_ + 1));
    const bool traced = steps_done_ + 1 == config.run.trace;
    session_.executor().set_measuring(traced);
    const Timer timer;
    const StepResult result = step_.run(steps_done_);
    device::fence();
    ++steps_done_;
    tokens_ += result.tokens;
    report(result, timer.seconds());
    count_skipped(result);
    if (due(config.run.check_replicas)) check_replicas(session_.mesh(), session_.store(), steps_done_);
    if (traced) write_trace();
    const auto [stop, written] = agree();
    if (written) finish_saving();
    const bool last = steps_done_ == config.run.steps;
    watchdog_.progress(std::format("the validation after step {}", steps_done_));
    if (!stop && (last || due(config.validation.every))) validate();
    watchdog_.progress(std::format("the checkpoint of step {}", steps_done_));
    if (stop || last || due(config.checkpoint.every)) save(stop || last);
    if ((stop || last) && metrics_ && metrics_->waiting_rows() > 0) {
      metrics_->finish();
      if (metrics_->waiting_rows() > 0) {
        reporter_.say(std::format("WARNING    {} rows of metrics are lost", metrics_->waiting_rows()));
      }
    }
    if (stop && !last) {
      reporter_.say(std::format("stopped by a signal after step {}; run the same command to go on", steps_done_));
      return static_cast<int>(ExitCode::stopped);
    }
  }
  for (const std::string& line : describe_communication()) reporter_.say(line);
  reporter_.say(std::format("done       {} steps in {}; {}", steps_done_ - first_step_,
                            format_duration(clock_.seconds()), folder_.path()));
  return static_cast<int>(ExitCode::done);
}

// What the step sent is summed over the ranks; of time and memory the rank counts that has most. Collective.
void Trainer::add_resources(TrainRow& row) {
  const Comm& world = session_.mesh().world();
  const MemoryPool& pool = MemoryPool::instance();
  std::vector<std::int64_t> bytes, most = {static_cast<std::int64_t>(pool.total().peak)};
  for (std::size_t i = 0; i < kCountedGroups.size(); ++i) {
    const CommCount now = CommCounters::instance().of_group(kCountedGroups[i]);
    const CommCount before = std::exchange(reported_[i], now);
    bytes.push_back(now.bytes - before.bytes);
    most.push_back(std::llround((now.seconds - before.seconds) * 1e9));
  }
  for (int c = 0; c < kMemoryCategories; ++c) {
    most.push_back(static_cast<std::int64_t>(pool.use(static_cast<Memory>(c)).peak));
  }
  bytes = reduce_over(world, bytes, Reduce::sum);
  most = reduce_over(world, most, Reduce::max);
  auto next = most.begin();
  row.peak_bytes = *next++;
  for (std::size_t i = 0; i < kCountedGroups.size(); ++i) {
    row.comm_bytes[kCountedGroups[i]] = bytes[i];
    row.comm_seconds[kCountedGroups[i]] = static_cast<double>(*next++) * 1e-9;
  }
  for (int c = 0; c < kMemoryCategories; ++c) row.memory_bytes[to_string(static_cast<Memory>(c))] = *next++;
}

void Trainer::report(const StepResult& result, double seconds) {
  const TrainConfig& config = session_.config();
  TrainRow row{.step = steps_done_,
               .loss = result.loss,
               .accuracy = result.accuracy,
               .grad_norm = result.gradient_norm,
               .learning_rate = result.learning_rate,
               .tokens = tokens_,
               .tokens_per_second = static_cast<double>(result.tokens) / seconds,
               .skipped = result.skipped ? 1 : 0};
  add_resources(row);
  if (!metrics_) return;
  row.seconds = metrics_->seconds_before() + clock_.seconds();
  metrics_->append_train(row);
  tell_about_metrics();

  const auto done = static_cast<double>(steps_done_ - first_step_);
  const double flops =
      session_.decoder().training_flops(config.data.sequence_length) * static_cast<double>(config.data.batch);
  reporter_.progress({.step = steps_done_,
                      .steps = config.run.steps,
                      .loss = result.loss,
                      .accuracy = session_.corpus() ? std::optional<double>() : result.accuracy,
                      .tokens_per_second = row.tokens_per_second,
                      .utilisation = flops / seconds / matrix_rate_,
                      .peak_bytes = static_cast<std::size_t>(row.peak_bytes),
                      .seconds_left = clock_.seconds() / done * static_cast<double>(config.run.steps - steps_done_)},
                     steps_done_ == first_step_ + 1 || due(config.run.log_every) || steps_done_ == config.run.steps);
}

void Trainer::count_skipped(const StepResult& result) {
  skipped_in_a_row_ = result.skipped ? skipped_in_a_row_ + 1 : 0;
  if (!result.skipped) return;
  const TrainConfig& config = session_.config();
  const std::int64_t end = steps_done_ * config.data.batch;
  reporter_.say(std::format("WARNING    step {} is skipped: loss {}, gradient norm {}; it read sequences {} to {}",
                            steps_done_, result.loss, result.gradient_norm, end - config.data.batch, end - 1));
  if (skipped_in_a_row_ < config.run.patience) return;
  throw DivergedError(
      "no finite loss and gradient norm in {} steps in a row, the last of them step {} (run.patience = {}); go on from "
      "an earlier checkpoint with a lower optimizer.learning_rate or a longer optimizer.warmup",
      skipped_in_a_row_, steps_done_, config.run.patience);
}

// Metrics that cannot be written do not end a run.
void Trainer::tell_about_metrics() {
  if (metrics_->problem() == metrics_problem_) return;
  metrics_problem_ = metrics_->problem();
  reporter_.say(metrics_problem_.empty() ? "metrics    are written again"
                                         : std::format("WARNING    metrics wait in memory: {}", metrics_problem_));
}

void Trainer::write_trace() {
  const MeasuredStep step = gather_measured(session_.mesh(), session_.executor());
  const Comm& world = session_.mesh().world();
  together(world, [&] {
    if (world.rank() != 0) return;
    write_file(folder_.trace("json"), chrome_trace(step.panels, 1e6), "set run.directory");
    write_file(folder_.trace("svg"), draw_timelines(step.panels, "seconds"), "set run.directory");
  });
  const KindDurations& d = step.durations;
  reporter_.say(
      std::format("trace      {}; bubble {:.1f} % measured, {:.1f} % planned with mean durations of {:.3g} s "
                  "forward and {:.3g} s backward",
                  folder_.trace("json"), 100 * step.bubble, 100 * step.planned_bubble, d.forward,
                  d.backward_input + d.backward_weight));
}

void Trainer::validate() {
  if (session_.loader().source().validation_count() == 0) return;
  const auto [loss, accuracy] = session_.validate();
  const double bits = session_.bits_per_byte(loss);
  if (metrics_) {
    metrics_->append_validation({.step = steps_done_, .loss = loss, .accuracy = accuracy, .bits_per_byte = bits});
    tell_about_metrics();
  }
  const std::string more =
      session_.corpus() ? std::format("{:.3f} bits a byte", bits) : std::format("accuracy {:.1f}%", 100 * accuracy);
  reporter_.say(std::format("step {}  validation loss {:.4f} nats a token, {}", steps_done_, loss, more));
}

void Trainer::save(bool end) {
  try {
    finish_saving();
    if (saved_step_ == steps_done_) return;
    start_saving();
    if (end || !session_.config().checkpoint.asynchronous) finish_saving();
  } catch (const EnvironmentError& error) {
    saved_step_ = -1;
    if (end) throw;
    reporter_.say(std::format("WARNING    no checkpoint of step {}: {}", steps_done_, error.what()));
  }
}

void Trainer::start_saving() {
  const TokenStoreInfo text = session_.corpus() ? session_.corpus()->info() : TokenStoreInfo{.tokenizer = "none"};
  const TrainState state = {.step = steps_done_,
                            .tokens = tokens_,
                            .next_sequence = steps_done_ * session_.config().data.batch,
                            .seed = static_cast<std::uint64_t>(session_.config().run.seed),
                            .vocabulary = session_.vocabulary(),
                            .tokenizer = text.tokenizer,
                            .tokenizer_model = text.tokenizer_model,
                            .provenance = provenance_};
  saving_ =
      std::make_unique<CheckpointSave>(checkpoint_path(folder_.path(), steps_done_), session_.mesh(), session_.store(),
                                       &session_.optimizer(), state, session_.config().checkpoint.asynchronous);
  saved_step_ = steps_done_;
}

void Trainer::finish_saving() {
  const std::unique_ptr<CheckpointSave> saving = std::move(saving_);
  if (!saving) return;
  try {
    const SaveReport report = saving->finish();
    reporter_.say(describe_save(saving->path(), saved_step_, report));
  } catch (const EnvironmentError& error) {
    if (saved_step_ == steps_done_) throw;
    reporter_.say(std::format("WARNING    no checkpoint of step {}: {}", saved_step_, error.what()));
    return;
  }
  if (session_.mesh().world().rank() != 0) return;
  const CheckpointConfig& config = session_.config().checkpoint;
  try {
    prune_checkpoints(folder_.path(), config.keep, config.keep_every);
  } catch (const EnvironmentError& error) {
    reporter_.say(std::format("WARNING    {}", error.what()));
  }
}

Trainer::Agreement Trainer::agree() const {
  const auto sums = reduce_over(session_.mesh().world(),
                                {stop_requested() ? 1 : 0, saving_ && saving_->written() ? 1 : 0}, Reduce::sum);
  return {.stop = sums[0] > 0, .written = sums[1] == session_.mesh().world().size()};
}

}  // namespace longspan
