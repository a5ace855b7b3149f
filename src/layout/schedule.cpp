#include "layout/schedule.hpp"

#include <algorithm>
#include <deque>
#include <format>

#include "base/error.hpp"

namespace longspan {

const char* to_string(ActionKind kind) {
  switch (kind) {
    case ActionKind::receive_forward:
      return "receive_forward";
    case ActionKind::forward:
      return "forward";
    case ActionKind::send_forward:
      return "send_forward";
    case ActionKind::receive_backward:
      return "receive_backward";
    case ActionKind::backward:
      return "backward";
    case ActionKind::send_backward:
      return "send_backward";
  }
  return "unknown";
}

std::string Action::str() const { return std::format("{} {}", to_string(kind), microbatch); }

namespace {

constexpr int kKinds = 6;

// The first stage has nobody before it, the last one nobody behind it.
bool exists(ActionKind kind, int stage, int stages) {
  switch (kind) {
    case ActionKind::receive_forward:
    case ActionKind::send_backward:
      return stage > 0;
    case ActionKind::send_forward:
    case ActionKind::receive_backward:
      return stage < stages - 1;
    default:
      return true;
  }
}

// What must have run on the same stage, for the same microbatch, before an action of this kind.
std::vector<ActionKind> prerequisites(ActionKind kind) {
  switch (kind) {
    case ActionKind::forward:
      return {ActionKind::receive_forward};
    case ActionKind::send_forward:
      return {ActionKind::forward};
    case ActionKind::backward:
      return {ActionKind::forward, ActionKind::receive_backward};
    case ActionKind::send_backward:
      return {ActionKind::backward};
    default:
      return {};
  }
}

// Builds one stage's list and leaves out the messages that the stage does not have.
class StageBuilder {
 public:
  StageBuilder(int stage, int stages) : stage_(stage), stages_(stages) {}

  void forward(int microbatch) {
    for (const auto kind : {ActionKind::receive_forward, ActionKind::forward, ActionKind::send_forward}) {
      add(kind, microbatch);
    }
  }
  void backward(int microbatch) {
    for (const auto kind : {ActionKind::receive_backward, ActionKind::backward, ActionKind::send_backward}) {
      add(kind, microbatch);
    }
  }
  std::vector<Action> take() { return std::move(actions_); }

 private:
  void add(ActionKind kind, int microbatch) {
    if (exists(kind, stage_, stages_)) actions_.push_back({kind, microbatch});
  }

  int stage_, stages_;
  std::vector<Action> actions_;
};

void check_sizes(int stages, int microbatches) {
  if (stages < 1) throw UserError("A pipeline schedule needs at least 1 stage, got {}", stages);
  if (microbatches < 1) throw UserError("A pipeline schedule needs at least 1 microbatch, got {}", microbatches);
}

[[noreturn]] void refuse(const Schedule& schedule, int stage, const std::string& what) {
  throw UserError("Schedule {} of {} stages and {} microbatches: stage {} {}", schedule.name, schedule.stages,
                  schedule.microbatches, stage, what);
}

// Each action of one stage is there once, and after what it needs from the same stage.
void check_stage(const Schedule& schedule, int stage) {
  std::vector<bool> done(static_cast<std::size_t>(kKinds) * schedule.microbatches, false);
  const auto index = [&](ActionKind kind, int microbatch) {
    return static_cast<std::size_t>(kind) * schedule.microbatches + microbatch;
  };
  for (const Action& action : schedule.actions[stage]) {
    if (action.microbatch < 0 || action.microbatch >= schedule.microbatches) {
      refuse(schedule, stage, std::format("runs {}, a microbatch that does not exist", action.str()));
    }
    if (!exists(action.kind, stage, schedule.stages)) {
      refuse(schedule, stage, std::format("runs {}, but has no neighbour on that side", action.str()));
    }
    if (done[index(action.kind, action.microbatch)]) {
      refuse(schedule, stage, std::format("runs {} twice", action.str()));
    }
    for (const ActionKind need : prerequisites(action.kind)) {
      if (exists(need, stage, schedule.stages) && !done[index(need, action.microbatch)]) {
        refuse(schedule, stage, std::format("runs {} before {}", action.str(), Action{need, action.microbatch}.str()));
      }
    }
    done[index(action.kind, action.microbatch)] = true;
  }
  for (int kind = 0; kind < kKinds; ++kind) {
    for (int m = 0; m < schedule.microbatches; ++m) {
      const Action action{static_cast<ActionKind>(kind), m};
      if (exists(action.kind, stage, schedule.stages) && !done[index(action.kind, m)]) {
        refuse(schedule, stage, std::format("never runs {}", action.str()));
      }
    }
  }
}

// All stages at once, with messages as queues between neighbours. A stage runs on until a receive finds its queue
// empty. Which stage moves first does not change what each of them receives (a Kahn network), so one run is a proof.
class Simulation {
 public:
  explicit Simulation(const Schedule& schedule)
      : schedule_(schedule), next_(schedule.stages, 0), down_(schedule.stages), up_(schedule.stages) {}

  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int stage = 0; stage < schedule_.stages; ++stage) moved |= advance(stage);
    }
    for (int stage = 0; stage < schedule_.stages; ++stage) {
      if (next_[stage] == schedule_.actions[stage].size()) continue;
      refuse(schedule_, stage, std::format("waits for ever in {}", schedule_.actions[stage][next_[stage]].str()));
    }
  }

 private:
  // Runs a stage as far as it gets; true if it ran anything.
  bool advance(int stage) {
    const std::size_t start = next_[stage];
    while (next_[stage] < schedule_.actions[stage].size() && step(stage, schedule_.actions[stage][next_[stage]])) {
      ++next_[stage];
    }
    return next_[stage] > start;
  }

  // False if the action must wait.
  bool step(int stage, const Action& action) {
    switch (action.kind) {
      case ActionKind::send_forward:
        down_[stage + 1].push_back(action.microbatch);
        return true;
      case ActionKind::send_backward:
        up_[stage - 1].push_back(action.microbatch);
        return true;
      case ActionKind::receive_forward:
        return receive(stage, action, down_[stage]);
      case ActionKind::receive_backward:
        return receive(stage, action, up_[stage]);
      default:
        return true;
    }
  }

  bool receive(int stage, const Action& action, std::deque<int>& inbox) {
    if (inbox.empty()) return false;
    if (inbox.front() != action.microbatch) {
      refuse(schedule_, stage,
             std::format("runs {}, but its neighbour sends microbatch {} next", action.str(), inbox.front()));
    }
    inbox.pop_front();
    return true;
  }

  const Schedule& schedule_;
  std::vector<std::size_t> next_;           // [stage] the action to run
  std::vector<std::deque<int>> down_, up_;  // [stage] microbatches under way to it, from before and from behind
};

}  // namespace

Schedule one_forward_one_backward(int stages, int microbatches) {
  check_sizes(stages, microbatches);
  Schedule schedule{"1f1b", stages, microbatches, {}};
  for (int stage = 0; stage < stages; ++stage) {
    StageBuilder builder(stage, stages);
    const int warm_up = std::min(stages - 1 - stage, microbatches);
    for (int m = 0; m < warm_up; ++m) builder.forward(m);
    for (int m = warm_up; m < microbatches; ++m) {
      builder.forward(m);
      builder.backward(m - warm_up);
    }
    for (int m = microbatches - warm_up; m < microbatches; ++m) builder.backward(m);
    schedule.actions.push_back(builder.take());
  }
  return schedule;
}

Schedule gpipe(int stages, int microbatches) {
  check_sizes(stages, microbatches);
  Schedule schedule{"gpipe", stages, microbatches, {}};
  for (int stage = 0; stage < stages; ++stage) {
    StageBuilder builder(stage, stages);
    for (int m = 0; m < microbatches; ++m) builder.forward(m);
    for (int m = 0; m < microbatches; ++m) builder.backward(m);
    schedule.actions.push_back(builder.take());
  }
  return schedule;
}

Schedule make_schedule(const std::string& name, int stages, int microbatches) {
  if (name == "1f1b") return one_forward_one_backward(stages, microbatches);
  if (name == "gpipe") return gpipe(stages, microbatches);
  throw UserError("There is no pipeline schedule '{}'; choose one of: 1f1b, gpipe", name);
}

int peak_alive(const Schedule& schedule, int stage) {
  int alive = 0, peak = 0;
  for (const Action& action : schedule.actions.at(stage)) {
    if (action.kind == ActionKind::forward) peak = std::max(peak, ++alive);
    if (action.kind == ActionKind::backward) --alive;
  }
  return peak;
}

void check(const Schedule& schedule) {
  check_sizes(schedule.stages, schedule.microbatches);
  if (static_cast<int>(schedule.actions.size()) != schedule.stages) {
    throw UserError("Schedule {} lists actions for {} stages, but has {}", schedule.name, schedule.actions.size(),
                    schedule.stages);
  }
  for (int stage = 0; stage < schedule.stages; ++stage) check_stage(schedule, stage);
  Simulation(schedule).run();
}

}  // namespace longspan
