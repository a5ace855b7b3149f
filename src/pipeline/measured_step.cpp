#include "pipeline/measured_step.hpp"

#include <array>
#include <format>

namespace longspan {
namespace {

std::vector<Action> computations(const Schedule& schedule, int stage) {
  std::vector<Action> actions;
  for (const Action& a : schedule.actions[static_cast<std::size_t>(stage)]) {
    if (!is_message(a.kind)) actions.push_back(a);
  }
  return actions;
}

// Begin and end of every action of this rank, side by side.
std::vector<double> flatten(const std::vector<TimedAction>& actions) {
  std::vector<double> times;
  for (const TimedAction& a : actions) {
    times.push_back(a.begin);
    times.push_back(a.end);
  }
  return times;
}

}  // namespace

KindDurations mean_durations(const std::vector<Track>& tracks) {
  std::array<double, kActionKinds> sum{}, count{};
  for (const Track& track : tracks) {
    for (const TimedAction& a : track.actions) {
      sum[static_cast<std::size_t>(a.action.kind)] += a.end - a.begin;
      count[static_cast<std::size_t>(a.action.kind)] += 1;
    }
  }
  const auto mean = [&](ActionKind kind) {
    const auto k = static_cast<std::size_t>(kind);
    return count[k] > 0 ? sum[k] / count[k] : 0;
  };
  const bool split = count[static_cast<std::size_t>(ActionKind::backward_input)] > 0;
  return {mean(ActionKind::forward), mean(split ? ActionKind::backward_input : ActionKind::backward),
          mean(ActionKind::backward_weight)};
}

MeasuredStep gather_measured(const Mesh& mesh, const PipelineExecutor& executor) {
  const Schedule& schedule = executor.schedule();
  const Comm& world = mesh.world();
  std::vector<std::int64_t> rows;
  std::int64_t total = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    const int stage = coordinate_of(mesh.shape(), rank).pipeline;
    rows.push_back(static_cast<std::int64_t>(computations(schedule, stage).size()));
    total += rows.back();
  }
  const auto here = static_cast<std::int64_t>(executor.measured().size());
  const Tensor mine =
      Tensor::from_host(flatten(executor.measured()), {here, 2}, Memory::communication, "measured times");
  const Tensor all = Tensor::empty({total, 2}, Dtype::float64, Memory::communication, "measured times");
  world.all_gather(mine, all, rows);
  const std::vector<double> times = all.to_host<double>();

  MeasuredStep step;
  TimelinePanel measured{std::format("{}, measured", schedule.name), {}};
  Timeline one_replica(static_cast<std::size_t>(schedule.stages));
  std::size_t next = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    const MeshCoordinate at = coordinate_of(mesh.shape(), rank);
    Track track{std::format("rank {}, stage {}", rank, at.pipeline), {}};
    for (const Action& a : computations(schedule, at.pipeline)) {
      track.actions.push_back({a, times[next], times[next + 1]});
      next += 2;
    }
    if (at.data == 0 && at.tensor == 0 && at.sequence == 0) {
      one_replica[static_cast<std::size_t>(at.pipeline)] = track.actions;
    }
    measured.tracks.push_back(std::move(track));
  }
  step.durations = mean_durations(measured.tracks);
  const Timeline planned = replay(schedule, step.durations);
  step.bubble = bubble(one_replica);
  step.planned_bubble = bubble(planned);
  step.panels = {std::move(measured),
                 make_panel(std::format("{}, planned with the mean durations", schedule.name), planned)};
  return step;
}

}  // namespace longspan
