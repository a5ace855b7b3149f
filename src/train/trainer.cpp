#include "train/trainer.hpp"

#include <algorithm>
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
#include "train/signals.hpp"
#include "train/stored_config.hpp"

namespace longspan {
namespace {

// Sums of small host values over ranks in one message.
std::vector<std::int64_t> sum_over(const Comm& comm, const std::vector<std::int64_t>& values) {
  const Tensor t =
      Tensor::from_host(values, {static_cast<std::int64_t>(values.size())}, Memory::communication, "totals");
  comm.all_reduce(t);
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

// Where a run goes on whose method was chosen, the choice stays: what is measured today may differ, and with another
// method sums are rounded differently.
TrainConfig with_earlier_choice(TrainConfig config, const Comm& world) {
  const RunConfig& run = config.run;
  ParallelConfig& parallel = config.parallel;
  if (parallel.sequence_method != "auto" || run.resume == "never") return config;
  std::string method;
  together(world, [&] {
    if (world.rank() != 0) return;
    const std::string file = run.resume == "auto" ? latest_checkpoint(run.directory + "/" + run.name) : run.resume;
    if (file.empty()) return;
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

Trainer::Trainer(const TrainConfig& config, const Comm& world)
    : session_(with_earlier_choice(config, world), world),
      step_(session_),
      provenance_(make_provenance(config_text(session_.config()), session_.mesh().shape().str())),
      folder_(world, config.run.directory, config.run.name),
      reporter_(world.rank() == 0, folder_.log_file()) {
  reporter_.say(describe_plan(session_));
  session_.allocate(true);
  resume();
  first_step_ = steps_done_;
  together(world, [&] {
    if (world.rank() != 0) return;
    metrics_ = std::make_unique<MetricsWriter>(folder_.metrics(), provenance_, steps_done_ > 0 ? steps_done_ : -1);
  });
  folder_.write_config(world, config_text(session_.config()));
}

void Trainer::resume() {
  const RunConfig& run = session_.config().run;
  if (run.resume == "never") return;
  const Comm& world = session_.mesh().world();
  std::string file = run.resume;
  if (run.resume == "auto") {
    file = world.broadcast_text(world.rank() == 0 ? latest_checkpoint(folder_.path()) : "", 0);
  }
  if (file.empty()) return;
  const TrainState state = load_checkpoint(file, session_.mesh(), session_.store(), &session_.optimizer());
  steps_done_ = state.step;
  saved_step_ = state.step;
  tokens_ = state.tokens;
  reporter_.say(std::format("resumed    {} at step {}", file, state.step));
}

int Trainer::run() {
  const TrainConfig& config = session_.config();
  watch_stop_signals();
  matrix_rate_ = total_matrix_rate(session_);
  reporter_.say(std::format("matrix     {:.1f} GFLOP/s, all ranks together", matrix_rate_ / 1e9));
  // The first to read all tokens, and so the first to find a damaged one.
  together(session_.mesh().world(), [&] {
    if (session_.mesh().world().rank() != 0 || session_.corpus() == nullptr) return;
    const double entropy = unigram_entropy(*session_.corpus(), 0, session_.corpus()->info().tokens);
    reporter_.say(std::format("unigram    {:.4f} nats a token, {:.3f} bits a byte: what counting tokens alone reaches",
                              entropy, session_.bits_per_byte(entropy)));
  });
  clock_.restart();
  while (steps_done_ < config.run.steps) {
    const bool traced = steps_done_ + 1 == config.run.trace;
    session_.executor().set_measuring(traced);
    const Timer timer;
    const StepResult result = step_.run(steps_done_);
    device::fence();
    ++steps_done_;
    tokens_ += result.tokens;
    report(result, timer.seconds());
    if (traced) write_trace();
    const bool stop = agree_to_stop();
    const bool last = steps_done_ == config.run.steps;
    if (!stop && (last || due(config.validation.every))) validate();
    if (stop || last || due(config.checkpoint.every)) save();
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

void Trainer::report(const StepResult& result, double seconds) {
  const TrainConfig& config = session_.config();
  const Comm& world = session_.mesh().world();
  std::vector<std::int64_t> bytes;
  for (std::size_t i = 0; i < kCountedGroups.size(); ++i) {
    const std::int64_t now = CommCounters::instance().of_group(kCountedGroups[i]).bytes;
    bytes.push_back(now - std::exchange(reported_bytes_[i], now));
  }
  bytes = sum_over(world, bytes);
  const auto peak = static_cast<std::int64_t>(MemoryPool::instance().total().peak);
  const std::int64_t fullest = world.all_reduce_value(peak, Reduce::max);
  if (!metrics_) return;

  TrainRow row{.step = steps_done_,
               .loss = result.loss,
               .accuracy = result.accuracy,
               .grad_norm = result.gradient_norm,
               .learning_rate = result.learning_rate,
               .tokens = tokens_,
               .seconds = metrics_->seconds_before() + clock_.seconds(),
               .tokens_per_second = static_cast<double>(result.tokens) / seconds,
               .peak_bytes = fullest};
  for (std::size_t i = 0; i < kCountedGroups.size(); ++i) row.comm_bytes[kCountedGroups[i]] = bytes[i];
  metrics_->append_train(row);

  const auto done = static_cast<double>(steps_done_ - first_step_);
  const double flops =
      session_.decoder().training_flops(config.data.sequence_length) * static_cast<double>(config.data.batch);
  reporter_.progress({.step = steps_done_,
                      .steps = config.run.steps,
                      .loss = result.loss,
                      .accuracy = session_.corpus() ? std::optional<double>() : result.accuracy,
                      .tokens_per_second = row.tokens_per_second,
                      .utilisation = flops / seconds / matrix_rate_,
                      .peak_bytes = static_cast<std::size_t>(fullest),
                      .seconds_left = clock_.seconds() / done * static_cast<double>(config.run.steps - steps_done_)},
                     steps_done_ == first_step_ + 1 || due(config.run.log_every) || steps_done_ == config.run.steps);
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
  }
  const std::string more =
      session_.corpus() ? std::format("{:.3f} bits a byte", bits) : std::format("accuracy {:.1f}%", 100 * accuracy);
  reporter_.say(std::format("step {}  validation loss {:.4f} nats a token, {}", steps_done_, loss, more));
}

void Trainer::save() {
  if (saved_step_ == steps_done_) return;
  const TokenStoreInfo text = session_.corpus() ? session_.corpus()->info() : TokenStoreInfo{.tokenizer = "none"};
  const std::string file = checkpoint_path(folder_.path(), steps_done_);
  save_checkpoint(file, session_.mesh(), session_.store(), session_.optimizer(),
                  {.step = steps_done_,
                   .tokens = tokens_,
                   .next_sequence = steps_done_ * session_.config().data.batch,
                   .seed = static_cast<std::uint64_t>(session_.config().run.seed),
                   .vocabulary = session_.vocabulary(),
                   .tokenizer = text.tokenizer,
                   .tokenizer_model = text.tokenizer_model,
                   .provenance = provenance_});
  saved_step_ = steps_done_;
  if (session_.mesh().world().rank() == 0) prune_checkpoints(folder_.path(), session_.config().checkpoint.keep);
  reporter_.say(std::format("step {}  checkpoint {}", steps_done_, file));
}

bool Trainer::agree_to_stop() const {
  return session_.mesh().world().all_reduce_value(std::int64_t{stop_requested() ? 1 : 0}, Reduce::max) != 0;
}

}  // namespace longspan
