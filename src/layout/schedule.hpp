// A pipeline schedule as data: for each stage the ordered list of actions that its rank performs. The model is cut into
// chunks in the order of depth; a stage holds one or more of them. The executor runs a schedule, check() proves it,
// replay() gives its time line, docs/schedule_format.md its text form.
//   Messages: a receive offers its buffer and the action that needs the message waits for it; a send does not wait. The
//   lists are nevertheless in an order in which both could wait for their partners (schedule_messages.cpp).
//   Backward: `backward` is both parts at once; zero-bubble schedules run `backward_input`, which the stage before
//   waits for, and later `backward_weight`, which nobody waits for.
#pragma once

#include <string>
#include <vector>

namespace longspan {

enum class ActionKind {
  receive_forward,  // activations of the chunk before, from another stage
  forward,
  send_forward,      // activations to the chunk behind
  receive_backward,  // output gradient from the chunk behind
  backward,          // input and weight gradients
  backward_input,
  backward_weight,
  send_backward,  // input gradient to the chunk before
};
inline constexpr int kActionKinds = 8;
const char* to_string(ActionKind kind);

struct Action {
  ActionKind kind;
  int microbatch;
  int chunk;  // of the whole model
  bool operator==(const Action&) const = default;
  std::string str() const;  // "forward 3 of chunk 2"
};

bool is_message(ActionKind kind);
// backward and backward_input: what gives the input's gradient.
bool gives_input_gradient(ActionKind kind);
// backward and backward_weight: after it a chunk's activations are gone.
bool ends_backward(ActionKind kind);

struct Schedule {
  std::string name;
  int stages = 1, microbatches = 1;
  std::vector<int> stage_of;                 // [chunk]
  std::vector<std::vector<Action>> actions;  // [stage][i]
  // Bounds of peak_alive and peak_stash, [stage]; empty: none.
  std::vector<int> alive_limit, stash_limit;

  int chunks() const { return static_cast<int>(stage_of.size()); }
  // Where the input of a chunk comes from and its output goes to: another stage, the same stage, or nobody.
  bool from_other_stage(int chunk) const;
  bool to_other_stage(int chunk) const;
};

// Which stage holds which chunk: chunk c on stage c mod P, `rounds` times around.
std::vector<int> place_in_turn(int stages, int rounds);
// Down and up again: stage p holds chunks p and 2 P - 1 - p, stage 0 the first and the last.
std::vector<int> place_in_v(int stages);

// Largest number of (microbatch, chunk) whose forward has run and whose backward has not ended, on a stage.
int peak_alive(const Schedule& schedule, int stage);
// Largest number of (microbatch, chunk) whose weight gradient is still to come although the input's has been made.
int peak_stash(const Schedule& schedule, int stage);

// A schedule of F, B, I and W actions only gets its sends and receives. UserError naming stage and action where a stage
// would wait for ever.
void add_messages(Schedule& schedule);

// Proves a schedule: every stage runs each microbatch's actions on each of its chunks once and in a possible order, no
// more is alive than allowed, messages arrive in the order in which they are sent, and no stage waits for ever even
// where a send waits for its receive. UserError naming stage and action.
void check(const Schedule& schedule);

}  // namespace longspan
