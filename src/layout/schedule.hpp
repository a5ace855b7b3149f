// A pipeline schedule as data: for each stage the ordered list of actions that its rank performs. Sends do not block
// (the executor keeps them in flight and waits for them at the end), receives do. The executor runs it, the checker
// proves it, a simulator may replay it.
//   1F1B (Narayanan et al., "PipeDream-2BW", 2020; Megatron-LM, 2021): stage p of P runs min(P - 1 - p, M) warm-up
//   forwards, then alternates one forward and one backward, then drains. At most min(P - p, M) microbatches are alive.
// 1F1B relies on sends that do not block: in its steady state stage p sends activations down while stage p + 1 sends
// a gradient up, and two sends that wait for their receivers would wait for each other.
#pragma once

#include <string>
#include <vector>

namespace longspan {

enum class ActionKind {
  receive_forward,  // activations from the previous stage
  forward,
  send_forward,      // activations to the next stage
  receive_backward,  // output gradient from the next stage
  backward,          // input and weight gradients
  send_backward,     // input gradient to the previous stage
};
const char* to_string(ActionKind kind);

struct Action {
  ActionKind kind;
  int microbatch;
  bool operator==(const Action&) const = default;
  std::string str() const;  // "forward 3"
};

struct Schedule {
  std::string name;
  int stages = 1, microbatches = 1;
  std::vector<std::vector<Action>> actions;  // [stage][i]
};

Schedule one_forward_one_backward(int stages, int microbatches);
// All forwards, then all backwards (Huang et al., 2019), in ascending order, so that gradients add up as in 1F1B.
Schedule gpipe(int stages, int microbatches);

// By name: "1f1b" or "gpipe"; a UserError lists the names otherwise.
Schedule make_schedule(const std::string& name, int stages, int microbatches);

// Largest number of microbatches whose forward has run and whose backward has not, on a stage.
int peak_alive(const Schedule& schedule, int stage);

// Proves a schedule: every stage runs each microbatch's actions once and in a possible order, messages of one direction
// arrive in the order in which they were sent, and no stage waits for ever in a receive. Throws UserError naming stage
// and action.
void check(const Schedule& schedule);

}  // namespace longspan
