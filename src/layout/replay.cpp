#include "layout/replay.hpp"

#include <algorithm>
#include <format>
#include <limits>

#include "base/error.hpp"

namespace longspan {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

class Replay {
 public:
  Replay(const Schedule& schedule, const Duration& duration)
      : schedule_(schedule),
        duration_(duration),
        next_(schedule.stages, 0),
        clock_(schedule.stages, 0),
        timeline_(schedule.stages) {
    const std::size_t pairs = static_cast<std::size_t>(schedule.microbatches) * schedule.chunks();
    forward_end_.assign(pairs, kNever);
    gradient_end_.assign(pairs, kNever);
  }

  Timeline run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int stage = 0; stage < schedule_.stages; ++stage) {
        while (advance(stage)) moved = true;
      }
    }
    for (int stage = 0; stage < schedule_.stages; ++stage) {
      if (next_[stage] == schedule_.actions[stage].size()) continue;
      throw UserError("Schedule {} of {} stages and {} microbatches: stage {} waits for ever in {}", schedule_.name,
                      schedule_.stages, schedule_.microbatches, stage, schedule_.actions[stage][next_[stage]].str());
    }
    return std::move(timeline_);
  }

 private:
  std::size_t index(const Action& a, int chunk) const {
    return static_cast<std::size_t>(a.microbatch) * schedule_.chunks() + chunk;
  }

  // When everything that an action needs has been made.
  double ready(const Action& a) const {
    if (is_message(a.kind)) return 0;
    if (a.kind == ActionKind::forward) return a.chunk == 0 ? 0 : forward_end_[index(a, a.chunk - 1)];
    if (a.kind == ActionKind::backward_weight) return gradient_end_[index(a, a.chunk)];
    const bool last = a.chunk + 1 == schedule_.chunks();
    return std::max(forward_end_[index(a, a.chunk)], last ? 0 : gradient_end_[index(a, a.chunk + 1)]);
  }

  // Runs the next action of a stage, if it has one and all it needs.
  bool advance(int stage) {
    if (next_[stage] == schedule_.actions[stage].size()) return false;
    const Action& a = schedule_.actions[stage][next_[stage]];
    const double start = ready(a);
    if (start == kNever) return false;
    ++next_[stage];
    if (is_message(a.kind)) return true;
    const double begin = std::max(clock_[stage], start);
    clock_[stage] = begin + duration_(stage, a);
    timeline_[stage].push_back({a, begin, clock_[stage]});
    if (a.kind == ActionKind::forward) forward_end_[index(a, a.chunk)] = clock_[stage];
    if (gives_input_gradient(a.kind)) gradient_end_[index(a, a.chunk)] = clock_[stage];
    return true;
  }

  const Schedule& schedule_;
  const Duration& duration_;
  std::vector<std::size_t> next_;                   // [stage] the action to run
  std::vector<double> clock_;                       // [stage] end of the action before
  std::vector<double> forward_end_, gradient_end_;  // [microbatch][chunk]
  Timeline timeline_;
};

}  // namespace

Timeline replay(const Schedule& schedule, const Duration& duration) { return Replay(schedule, duration).run(); }

double KindDurations::of(ActionKind kind) const {
  switch (kind) {
    case ActionKind::forward:
      return forward;
    case ActionKind::backward:
      return backward_input + backward_weight;
    case ActionKind::backward_input:
      return backward_input;
    case ActionKind::backward_weight:
      return backward_weight;
    default:
      return 0;
  }
}

Timeline replay(const Schedule& schedule, const KindDurations& durations) {
  return replay(schedule, [&](int, const Action& a) { return durations.of(a.kind); });
}

double makespan(const Timeline& timeline) {
  double first = kNever, last = 0;
  for (const auto& stage : timeline) {
    for (const TimedAction& a : stage) {
      first = std::min(first, a.begin);
      last = std::max(last, a.end);
    }
  }
  return first == kNever ? 0 : last - first;
}

double bubble(const Timeline& timeline) {
  const double span = makespan(timeline);
  if (span == 0) return 0;
  double busy = 0;
  for (const auto& stage : timeline) {
    for (const TimedAction& a : stage) busy += a.end - a.begin;
  }
  return 1 - busy / (static_cast<double>(timeline.size()) * span);
}

double closed_form_bubble(const Schedule& schedule, const KindDurations& durations) {
  const int p = schedule.stages, m = schedule.microbatches;
  const auto [f, i, w] = durations;
  double idle = 0;  // in units of P - 1
  if (schedule.name == "gpipe" || schedule.name == "1f1b" || (schedule.name == "interleaved" && m % p == 0)) {
    idle = f + i + w;
  } else if (schedule.name == "zb-h1" && m >= p) {
    idle = std::max({f + i - w, f, i});
  } else if (schedule.name == "zb-v" && m >= 2 * p && f <= i && w <= i) {
    idle = std::max(i, 2 * (i - w));
  } else {
    return -1;
  }
  idle *= p - 1;
  const double busy = (f + i + w) * m * schedule.chunks() / p;
  return idle / (busy + idle);
}

}  // namespace longspan
