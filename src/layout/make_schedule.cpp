#include "layout/make_schedule.hpp"

#include <algorithm>
#include <format>

#include "base/error.hpp"

namespace longspan {
namespace {

using enum ActionKind;
using Actions = std::vector<Action>;

Actions gpipe_stage(int stage, int microbatches) {
  Actions a;
  for (int m = 0; m < microbatches; ++m) a.push_back({forward, m, stage});
  // In ascending order, so that gradients add up as in 1F1B.
  for (int m = 0; m < microbatches; ++m) a.push_back({backward, m, stage});
  return a;
}

Actions one_forward_one_backward_stage(int stage, int stages, int microbatches) {
  const int warm_up = std::min(stages - 1 - stage, microbatches);
  Actions a;
  for (int m = 0; m < microbatches + warm_up; ++m) {
    if (m < microbatches) a.push_back({forward, m, stage});
    if (m >= warm_up) a.push_back({backward, m - warm_up, stage});
  }
  return a;
}

// Place k of a stage's forwards: groups of `stages` microbatches pass one of its chunks after the other; of its
// backwards: the same with the chunks from last to first.
Action interleaved_action(ActionKind kind, int k, int stage, int stages, int chunks) {
  const int group = k / (stages * chunks), round = k / stages % chunks;
  return {kind, group * stages + k % stages, (kind == forward ? round : chunks - 1 - round) * stages + stage};
}

int interleaved_warm_up(int stage, int stages, int chunks) { return 2 * (stages - 1 - stage) + (chunks - 1) * stages; }

Actions interleaved_stage(int stage, int stages, int microbatches, int chunks) {
  const int total = microbatches * chunks;
  const int warm_up = std::min(interleaved_warm_up(stage, stages, chunks), total);
  Actions a;
  for (int k = 0; k < total + warm_up; ++k) {
    if (k < total) a.push_back(interleaved_action(forward, k, stage, stages, chunks));
    if (k >= warm_up) a.push_back(interleaved_action(backward, k - warm_up, stage, stages, chunks));
  }
  return a;
}

Actions zb_h1_stage(int stage, int stages, int microbatches) {
  const int warm_up = std::min(stages - 1 - stage, microbatches);
  Actions a;
  for (int m = 0; m < microbatches + warm_up; ++m) {
    if (m < microbatches) a.push_back({forward, m, stage});
    const int back = m - warm_up;
    if (back >= 0) a.push_back({backward_input, back, stage});
    if (back >= stage) a.push_back({backward_weight, back - stage, stage});
  }
  for (int m = std::max(0, microbatches - stage); m < microbatches; ++m) a.push_back({backward_weight, m, stage});
  return a;
}

// A stage's way down the V and its way up: each counts its microbatches.
class Leg {
 public:
  Leg(Actions& actions, int chunk) : actions_(actions), chunk_(chunk) {}
  void f() { actions_.push_back({forward, forwards++, chunk_}); }
  void i() { actions_.push_back({backward_input, inputs++, chunk_}); }
  void w() { actions_.push_back({backward_weight, weights++, chunk_}); }
  int forwards = 0, inputs = 0, weights = 0;

 private:
  Actions& actions_;
  int chunk_;
};

Actions zb_v_stage(int stage, int stages, int microbatches) {
  Actions a;
  Leg down(a, stage), up(a, 2 * stages - 1 - stage);
  // Until the first microbatch comes up again: as many as it takes.
  for (int n = 0; n < 2 * (stages - stage) - 1; ++n) down.f();
  for (int n = 0; n < stage; ++n) up.f(), down.f();
  for (int n = 0; n < stages - stage; ++n) up.f(), up.i(), up.w();
  // All six in turn.
  while (up.forwards < microbatches) {
    if (down.forwards < microbatches) down.f();
    down.i(), down.w(), up.f(), up.i(), up.w();
  }
  // Inputs first, for the stages that wait; weights then fill what is left.
  for (int n = 0; n < stage; ++n) down.i(), up.i();
  for (int n = 0; n < stages - stage; ++n) down.i(), down.w();
  while (up.weights < microbatches) up.w();
  while (down.weights < microbatches) down.w();
  return a;
}

// A schedule is still one when whole microbatches are left out.
Actions without_microbatches_from(int end, Actions actions) {
  std::erase_if(actions, [end](const Action& a) { return a.microbatch >= end; });
  return actions;
}

void check_sizes(int stages, int microbatches) {
  if (stages < 1) throw UserError("A pipeline schedule needs at least 1 stage, got {}", stages);
  if (microbatches < 1) throw UserError("A pipeline schedule needs at least 1 microbatch, got {}", microbatches);
}

void check_chunks(const std::string& name, int chunks) {
  if (name == "interleaved" && chunks < 2) {
    throw UserError(
        "parallel.schedule = interleaved has 2 or more chunks a stage, not {}; raise parallel.virtual_stages", chunks);
  }
  if (name != "interleaved" && chunks != default_chunks(name)) {
    throw UserError("parallel.schedule = {} has {} a stage, not {}; leave parallel.virtual_stages at 0", name,
                    default_chunks(name) == 1 ? "1 chunk" : "2 chunks", chunks);
  }
}

}  // namespace

const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = {"gpipe", "1f1b", "interleaved", "zb-h1", "zb-v"};
  return names;
}

int default_chunks(const std::string& name) { return name == "interleaved" || name == "zb-v" ? 2 : 1; }

Schedule make_schedule(const std::string& name, int stages, int microbatches, int chunks) {
  if (std::find(schedule_names().begin(), schedule_names().end(), name) == schedule_names().end()) {
    std::string all;
    for (const std::string& each : schedule_names()) all += each + ", ";
    throw UserError("There is no pipeline schedule '{}'; choose one of: {}file:PATH", name, all);
  }
  check_sizes(stages, microbatches);
  check_chunks(name, chunks);
  const int m = microbatches, rounded_up = (m + stages - 1) / stages * stages;
  Schedule schedule{.name = name,
                    .stages = stages,
                    .microbatches = m,
                    .stage_of = name == "zb-v" ? place_in_v(stages) : place_in_turn(stages, chunks)};
  for (int p = 0; p < stages; ++p) {
    int alive = m, stash = 0;
    if (name == "gpipe") {
      schedule.actions.push_back(gpipe_stage(p, m));
    } else if (name == "1f1b") {
      schedule.actions.push_back(one_forward_one_backward_stage(p, stages, m));
      alive = stages - p;
    } else if (name == "interleaved") {
      schedule.actions.push_back(without_microbatches_from(m, interleaved_stage(p, stages, rounded_up, chunks)));
      alive = interleaved_warm_up(p, stages, chunks) + 1;
    } else if (name == "zb-h1") {
      schedule.actions.push_back(zb_h1_stage(p, stages, m));
      alive = stages;
      stash = p + 1;
    } else {
      schedule.actions.push_back(without_microbatches_from(m, zb_v_stage(p, stages, std::max(m, 2 * stages))));
      alive = 2 * stages;
      stash = 2 * p + 1;
    }
    schedule.alive_limit.push_back(std::min(alive, m * chunks));
    schedule.stash_limit.push_back(std::min(stash, m * chunks));
  }
  add_messages(schedule);
  check(schedule);
  return schedule;
}

Schedule forward_schedule(const std::vector<int>& stage_of, int stages, int microbatches) {
  Schedule schedule{.name = "forward", .stages = stages, .microbatches = microbatches, .stage_of = stage_of};
  schedule.actions.resize(stages);
  // Deep chunks first: at each time the chunks work on different microbatches, the oldest one at the last chunk.
  const int chunks = schedule.chunks();
  for (int time = 0; time < microbatches + chunks - 1; ++time) {
    for (int chunk = chunks - 1; chunk >= 0; --chunk) {
      const int m = time - chunk;
      if (m >= 0 && m < microbatches) schedule.actions[stage_of[chunk]].push_back({forward, m, chunk});
    }
  }
  add_messages(schedule);
  return schedule;
}

}  // namespace longspan
