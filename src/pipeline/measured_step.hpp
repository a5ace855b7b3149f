// One training step as its ranks measured it, beside what its schedule plans for the same durations.
#pragma once

#include "comm/mesh.hpp"
#include "pipeline/executor.hpp"
#include "pipeline/timeline_files.hpp"

namespace longspan {

struct MeasuredStep {
  std::vector<TimelinePanel> panels;  // measured on every rank, then planned
  KindDurations durations;            // means over all ranks and chunks, seconds; `backward` counts as input part
  double bubble = 0;                  // measured on the ranks of one replica; waiting for messages included
  double planned_bubble = 0;          // of the schedule replayed with the mean durations
};

// What executor.measured() holds on all ranks, the same answer on each. Collective over the world.
MeasuredStep gather_measured(const Mesh& mesh, const PipelineExecutor& executor);

// Mean duration of each kind of action.
KindDurations mean_durations(const std::vector<Track>& tracks);

}  // namespace longspan
