// The time line of a schedule: every stage runs its list in order, an action begins as soon as its stage is free and
// what it needs has been made; messages take no time. With durations that were measured it says how much of a step the
// schedule itself costs.
#pragma once

#include <functional>
#include <vector>

#include "layout/schedule.hpp"

namespace longspan {

struct TimedAction {
  Action action;
  double begin, end;
};
using Timeline = std::vector<std::vector<TimedAction>>;  // [stage][i], without sends and receives

// Seconds (or any unit) of one action.
using Duration = std::function<double(int stage, const Action& action)>;

// UserError naming stage and action where a stage waits for ever.
Timeline replay(const Schedule& schedule, const Duration& duration);

// Durations by kind alone: `backward` takes the sum of its two parts.
struct KindDurations {
  double forward = 1, backward_input = 1, backward_weight = 1;
  double of(ActionKind kind) const;
};
Timeline replay(const Schedule& schedule, const KindDurations& durations);

// From the first begin to the last end.
double makespan(const Timeline& timeline);
// Part of stages x makespan in which no action runs.
double bubble(const Timeline& timeline);

// The same in closed form, with P stages, m microbatches, v chunks a stage and F, I, W the durations of one microbatch
// on one chunk. A stage idles, out of v m (F + I + W) + idle:
//   gpipe, 1f1b   (P - 1) (F + I + W)                                        bubble (P - 1) / (m + P - 1)
//   interleaved   (P - 1) (F + I + W), of chunks 1 / v as long               for m a multiple of P
//   zb-h1         (P - 1) max(F + I - W, F, I)                               for m >= P; Qi et al. 2023, "Zero bubble
//                                                                            pipeline parallelism": F + I - W
//   zb-v          (P - 1) max(I, 2 (I - W)), all of it before a stage's first action or behind its last one where
//                 F = I = W                                                  for m >= 2 P and F, W <= I; Qi et al.
//                 2024,
//                                                                            "Controllable memory"
// Negative where there is no closed form (other schedules, other sizes).
double closed_form_bubble(const Schedule& schedule, const KindDurations& durations);

}  // namespace longspan
