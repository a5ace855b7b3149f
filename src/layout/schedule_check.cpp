#include <algorithm>
#include <format>

#include "base/error.hpp"
#include "layout/schedule.hpp"

namespace longspan {
namespace {

using enum ActionKind;

[[noreturn]] void refuse(const Schedule& schedule, int stage, const std::string& what) {
  throw UserError("Schedule {} of {} stages and {} microbatches: stage {} {}", schedule.name, schedule.stages,
                  schedule.microbatches, stage, what);
}

void check_placement(const Schedule& s) {
  if (s.stages < 1) throw UserError("A pipeline schedule needs at least 1 stage, got {}", s.stages);
  if (s.microbatches < 1) throw UserError("A pipeline schedule needs at least 1 microbatch, got {}", s.microbatches);
  if (static_cast<int>(s.actions.size()) != s.stages) {
    throw UserError("Schedule {} lists actions for {} stages, but has {}", s.name, s.actions.size(), s.stages);
  }
  std::vector<bool> holds(s.stages, false);
  for (int chunk = 0; chunk < s.chunks(); ++chunk) {
    if (s.stage_of[chunk] < 0 || s.stage_of[chunk] >= s.stages) {
      throw UserError("Schedule {} has no stage for chunk {}", s.name, chunk);
    }
    holds[s.stage_of[chunk]] = true;
  }
  for (int stage = 0; stage < s.stages; ++stage) {
    if (!holds[stage]) refuse(s, stage, "holds no chunk");
  }
  // A tied embedding is summed over the first and the last stage.
  if (s.stage_of.front() != 0) refuse(s, s.stage_of.front(), "holds the first chunk, which belongs to stage 0");
  const int last = s.stage_of.back();
  if (last != 0 && last != s.stages - 1) {
    refuse(s, last, std::format("holds the last chunk, which belongs to stage 0 or stage {}", s.stages - 1));
  }
}

// One stage by itself: each action is there once, and after what it needs from the same stage.
class StageCheck {
 public:
  StageCheck(const Schedule& schedule, int stage)
      : schedule_(schedule),
        stage_(stage),
        done_(static_cast<std::size_t>(kActionKinds) * schedule.microbatches * schedule.chunks(), false) {}

  void run() {
    for (const Action& action : schedule_.actions[stage_]) {
      check_exists(action);
      check_first_time(action);
      check_order(action);
      done(action) = true;
      if (action.kind == backward) done(as(backward_input, action)) = done(as(backward_weight, action)) = true;
    }
    for (int chunk = 0; chunk < schedule_.chunks(); ++chunk) {
      if (schedule_.stage_of[chunk] != stage_) continue;
      for (int m = 0; m < schedule_.microbatches; ++m) check_complete(m, chunk);
    }
    check_memory();
  }

 private:
  static Action as(ActionKind kind, const Action& a) { return {kind, a.microbatch, a.chunk}; }

  std::vector<bool>::reference done(const Action& a) {
    const std::size_t pair = static_cast<std::size_t>(a.microbatch) * schedule_.chunks() + a.chunk;
    return done_[pair * kActionKinds + static_cast<std::size_t>(a.kind)];
  }

  // A message exists where the neighbouring chunk is on another stage.
  bool exists(const Action& a) const {
    if (a.kind == receive_forward || a.kind == send_backward) return schedule_.from_other_stage(a.chunk);
    if (a.kind == send_forward || a.kind == receive_backward) return schedule_.to_other_stage(a.chunk);
    return true;
  }

  void check_exists(const Action& a) const {
    if (a.microbatch < 0 || a.microbatch >= schedule_.microbatches) {
      refuse(schedule_, stage_, std::format("runs {}, a microbatch that does not exist", a.str()));
    }
    if (a.chunk < 0 || a.chunk >= schedule_.chunks() || schedule_.stage_of[a.chunk] != stage_) {
      refuse(schedule_, stage_, std::format("runs {}, a chunk that it does not hold", a.str()));
    }
    if (!exists(a)) refuse(schedule_, stage_, std::format("runs {}, but has no neighbour on that side", a.str()));
  }

  void check_first_time(const Action& a) {
    const bool again = done(a) || (a.kind == backward && done(as(backward_input, a)));
    if (again) refuse(schedule_, stage_, std::format("runs {} twice", a.str()));
  }

  void check_after(const Action& a, const Action& need) {
    if (!done(need)) refuse(schedule_, stage_, std::format("runs {} before {}", a.str(), need.str()));
  }

  void check_order(const Action& a) {
    const bool first = a.chunk == 0, last = a.chunk + 1 == schedule_.chunks();
    if (a.kind == forward && !first) {
      check_after(
          a, schedule_.from_other_stage(a.chunk) ? as(receive_forward, a) : Action{forward, a.microbatch, a.chunk - 1});
    }
    if (a.kind == send_forward || a.kind == receive_backward || gives_input_gradient(a.kind)) {
      check_after(a, as(forward, a));
    }
    if (gives_input_gradient(a.kind) && !last) {
      check_after(a, schedule_.to_other_stage(a.chunk) ? as(receive_backward, a)
                                                       : Action{backward_input, a.microbatch, a.chunk + 1});
    }
    if (a.kind == backward_weight || a.kind == send_backward) check_after(a, as(backward_input, a));
  }

  void check_memory() const {
    int alive = 0, stash = 0;
    for (const Action& a : schedule_.actions[stage_]) {
      alive += (a.kind == forward) - ends_backward(a.kind);
      stash += (a.kind == backward_input) - (a.kind == backward_weight);
      check_limit(a, alive, schedule_.alive_limit, "microbatches alive");
      check_limit(a, stash, schedule_.stash_limit, "weight gradients put off");
    }
  }

  void check_limit(const Action& a, int count, const std::vector<int>& limits, const char* what) const {
    if (limits.empty() || count <= limits[stage_]) return;
    refuse(schedule_, stage_,
           std::format("has {} {} after {}, more than its bound of {}", count, what, a.str(), limits[stage_]));
  }

  void check_complete(int microbatch, int chunk) {
    const auto must = [&](ActionKind kind, ActionKind name) {
      const Action a{kind, microbatch, chunk};
      if (exists(a) && !done(a)) refuse(schedule_, stage_, std::format("never runs {}", as(name, a).str()));
    };
    must(receive_forward, receive_forward);
    must(forward, forward);
    must(send_forward, send_forward);
    must(receive_backward, receive_backward);
    must(backward_input, splits_backward() ? backward_input : backward);
    must(backward_weight, backward_weight);
    must(send_backward, send_backward);
  }

  bool splits_backward() const {
    return std::any_of(schedule_.actions[stage_].begin(), schedule_.actions[stage_].end(),
                       [](const Action& a) { return a.kind == backward_input; });
  }

  const Schedule& schedule_;
  int stage_;
  std::vector<bool> done_;  // [microbatch][chunk][kind]
};

// All stages at once, a send waiting for its receive. Which stage moves first does not change which message meets which
// receive, so that one run is a proof.
class Rendezvous {
 public:
  explicit Rendezvous(const Schedule& schedule) : schedule_(schedule), next_(schedule.stages, 0) {}

  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int stage = 0; stage < schedule_.stages; ++stage) {
        while (advance(stage)) moved = true;
      }
    }
    for (int stage = 0; stage < schedule_.stages; ++stage) {
      if (next_[stage] == schedule_.actions[stage].size()) continue;
      refuse(schedule_, stage, std::format("waits for ever in {}", head(stage).str()));
    }
  }

 private:
  const Action& head(int stage) const { return schedule_.actions[stage][next_[stage]]; }

  // Runs the next action of a stage; receives are run by their senders.
  bool advance(int stage) {
    if (next_[stage] == schedule_.actions[stage].size()) return false;
    const Action& a = head(stage);
    if (a.kind == receive_forward || a.kind == receive_backward) return false;
    if (is_message(a.kind) && !deliver(a)) return false;
    ++next_[stage];
    return true;
  }

  // True if the partner stands at the receive of this message, which is then over.
  bool deliver(const Action& send) {
    const bool down = send.kind == send_forward;
    const Action expected{down ? receive_forward : receive_backward, send.microbatch,
                          down ? send.chunk + 1 : send.chunk - 1};
    const int from = schedule_.stage_of[send.chunk], to = schedule_.stage_of[expected.chunk];
    if (next_[to] == schedule_.actions[to].size()) return false;
    const Action& a = head(to);
    if (a.kind != expected.kind || source(a) != from) return false;
    if (a != expected) {
      refuse(schedule_, to, std::format("runs {}, but stage {} runs {} next", a.str(), from, send.str()));
    }
    ++next_[to];
    return true;
  }

  int source(const Action& receive) const {
    return schedule_.stage_of[receive.kind == receive_forward ? receive.chunk - 1 : receive.chunk + 1];
  }

  const Schedule& schedule_;
  std::vector<std::size_t> next_;  // [stage] the action to run
};

}  // namespace

void check(const Schedule& schedule) {
  check_placement(schedule);
  for (int stage = 0; stage < schedule.stages; ++stage) StageCheck(schedule, stage).run();
  Rendezvous(schedule).run();
}

}  // namespace longspan
