#include "layout/schedule.hpp"

#include <algorithm>
#include <format>

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
    case ActionKind::backward_input:
      return "backward_input";
    case ActionKind::backward_weight:
      return "backward_weight";
    case ActionKind::send_backward:
      return "send_backward";
  }
  return "unknown";
}

std::string Action::str() const { return std::format("{} {} of chunk {}", to_string(kind), microbatch, chunk); }

bool is_message(ActionKind kind) {
  using enum ActionKind;
  return kind == receive_forward || kind == send_forward || kind == receive_backward || kind == send_backward;
}

bool gives_input_gradient(ActionKind kind) {
  return kind == ActionKind::backward || kind == ActionKind::backward_input;
}

bool ends_backward(ActionKind kind) { return kind == ActionKind::backward || kind == ActionKind::backward_weight; }

bool Schedule::from_other_stage(int chunk) const { return chunk > 0 && stage_of[chunk - 1] != stage_of[chunk]; }

bool Schedule::to_other_stage(int chunk) const {
  return chunk + 1 < chunks() && stage_of[chunk + 1] != stage_of[chunk];
}

std::vector<int> place_in_turn(int stages, int rounds) {
  std::vector<int> stage_of;
  for (int chunk = 0; chunk < stages * rounds; ++chunk) stage_of.push_back(chunk % stages);
  return stage_of;
}

std::vector<int> place_in_v(int stages) {
  std::vector<int> stage_of;
  for (int chunk = 0; chunk < 2 * stages; ++chunk) stage_of.push_back(std::min(chunk, 2 * stages - 1 - chunk));
  return stage_of;
}

int peak_alive(const Schedule& schedule, int stage) {
  int alive = 0, peak = 0;
  for (const Action& action : schedule.actions.at(stage)) {
    if (action.kind == ActionKind::forward) peak = std::max(peak, ++alive);
    if (ends_backward(action.kind)) --alive;
  }
  return peak;
}

int peak_stash(const Schedule& schedule, int stage) {
  int stash = 0, peak = 0;
  for (const Action& action : schedule.actions.at(stage)) {
    if (action.kind == ActionKind::backward_input) peak = std::max(peak, ++stash);
    if (action.kind == ActionKind::backward_weight) --stash;
  }
  return peak;
}

}  // namespace longspan
