#include "train/schedule_plan.hpp"

#include <algorithm>
#include <format>
#include <iostream>

#include "base/write_file.hpp"
#include "config/run_config.hpp"
#include "layout/replay.hpp"
#include "layout/schedule_text.hpp"
#include "pipeline/timeline_files.hpp"
#include "train/pipeline_config.hpp"

namespace longspan {
namespace {

struct SchedulePlan {
  ParallelConfig parallel{.pipeline = 4, .microbatches = 8};
  KindDurations durations;  // of a microbatch on all chunks of a stage
  std::string output;
};

void bind(Options& options, SchedulePlan& plan) {
  options.add("parallel.pipeline", plan.parallel.pipeline, "Stages.")
      .add("parallel.microbatches", plan.parallel.microbatches, "Microbatches.")
      .add("parallel.schedule", plan.parallel.schedule,
           "gpipe, 1f1b, interleaved, zb-h1, zb-v, or file:PATH (docs/schedule_format.md).")
      .add("parallel.virtual_stages", plan.parallel.virtual_stages,
           "Chunks of the model that each stage holds; 0: 2 for interleaved and zb-v, those of a file, else 1.")
      .add("schedule.forward", plan.durations.forward, "Time of a microbatch's forward on a stage, any unit.")
      .add("schedule.backward_input", plan.durations.backward_input, "Time of its input gradients.")
      .add("schedule.backward_weight", plan.durations.backward_weight, "Time of its weight gradients.")
      .add(
          "schedule.output", plan.output,
          "Writes OUTPUT.txt (the schedule), OUTPUT.json (trace for Chrome and Perfetto) and OUTPUT.svg; empty: none.");
}

void check(const SchedulePlan& plan) {
  const auto in_range = [](const char* key, std::int64_t value, std::int64_t lowest, std::int64_t highest) {
    if (value >= lowest && value <= highest) return;
    throw UserError("{} = {} is out of range; use {} to {}", key, value, lowest, highest);
  };
  in_range("parallel.pipeline", plan.parallel.pipeline, 1, 4096);
  in_range("parallel.virtual_stages", plan.parallel.virtual_stages, 0, 128);
  // As many as a list of ten million actions allows.
  const std::int64_t chunks = plan.parallel.pipeline * std::max<std::int64_t>(2, plan.parallel.virtual_stages);
  in_range("parallel.microbatches", plan.parallel.microbatches, 1, 10'000'000 / (6 * chunks));
  const auto positive = [](const char* key, double value) {
    if (!(value > 0)) throw UserError("{} = {} is not positive; use a number above 0", key, value);
  };
  positive("schedule.forward", plan.durations.forward);
  positive("schedule.backward_input", plan.durations.backward_input);
  positive("schedule.backward_weight", plan.durations.backward_weight);
}

// Of one chunk: a stage's share, cut evenly.
KindDurations of_a_chunk(const KindDurations& d, const Schedule& schedule) {
  const double share = static_cast<double>(schedule.stages) / schedule.chunks();
  return {d.forward * share, d.backward_input * share, d.backward_weight * share};
}

std::string describe(const Schedule& schedule, const KindDurations& durations, const Timeline& timeline) {
  const double closed_form = closed_form_bubble(schedule, durations);
  const double share = static_cast<double>(schedule.stages) / schedule.chunks();
  std::string text = std::format("schedule   {}: {} stages, {} chunks, {} microbatches\n", schedule.name,
                                 schedule.stages, schedule.chunks(), schedule.microbatches);
  text += std::format("step       {:.6g}, of which {:.2f} % are bubble{}\n", makespan(timeline), 100 * bubble(timeline),
                      closed_form < 0 ? "" : std::format(" (closed form {:.2f} %)", 100 * closed_form));
  text += "stage      activations kept at most    weight gradients put off    messages sent\n";
  for (int stage = 0; stage < schedule.stages; ++stage) {
    const auto& actions = schedule.actions[static_cast<std::size_t>(stage)];
    const auto sends = std::count_if(actions.begin(), actions.end(), [](const Action& a) {
      return a.kind == ActionKind::send_forward || a.kind == ActionKind::send_backward;
    });
    text += std::format("{:<10} {:<27} {:<27} {}\n", stage,
                        std::format("{:.3g} microbatches", peak_alive(schedule, stage) * share),
                        std::format("{:.3g} microbatches", peak_stash(schedule, stage) * share), sends);
  }
  return text;
}

}  // namespace

int plan_schedule(int argc, const char* const* argv, const Comm& world) {
  SchedulePlan plan;
  Options options("longspan-bench schedule",
                  "What a pipeline schedule costs, messages taking no time, on one rank:\n"
                  "  longspan-bench schedule --parallel.schedule zb-v --parallel.pipeline 4 --parallel.microbatches 8");
  bind(options, plan);
  const Options::Action action = options.parse(argc, argv);
  if (action == Options::Action::help || action == Options::Action::version) {
    if (world.rank() == 0) std::cout << (action == Options::Action::help ? options.help() : options.version());
    return 0;
  }
  if (world.size() > 1) {
    throw UserError("longspan-bench schedule runs on one rank, {} were started; leave out mpirun", world.size());
  }
  check(plan);
  const Schedule schedule = pipeline_schedule(plan.parallel);
  const KindDurations durations = of_a_chunk(plan.durations, schedule);
  const Timeline timeline = replay(schedule, durations);
  std::cout << describe(schedule, durations, timeline);
  if (plan.output.empty() || action == Options::Action::dry_run) return 0;
  const std::vector<TimelinePanel> panels = {
      make_panel(std::format("{}, {} microbatches", schedule.name, schedule.microbatches), timeline)};
  const std::string mend = "set schedule.output";
  write_file(plan.output + ".txt", to_text(schedule), mend);
  write_file(plan.output + ".json", chrome_trace(panels, 1000), mend);
  write_file(plan.output + ".svg", draw_timelines(panels, "time"), mend);
  std::cout << std::format("wrote      {0}.txt, {0}.json, {0}.svg\n", plan.output);
  return 0;
}

}  // namespace longspan
