// The order of the operations of one microbatch, for the way back. A tape is an object, since a pipeline keeps several
// microbatches alive. A node has two parts: the gradient of its inputs and the gradient of its weights. They may run
// together or the weights' parts later (zero-bubble schedules). What a node saved is freed as soon as it has run.
#pragma once

#include <functional>
#include <vector>

namespace longspan {

class Tape {
 public:
  explicit Tape(bool recording = true) : recording_(recording) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // False for evaluation and generation: functions then compute values only and save nothing.
  bool recording() const { return recording_; }

  using Part = std::function<void()>;
  void record(const char* name, Part input_gradient, Part weight_gradient = {});

  // Runs all nodes from last to first, each input part followed by its weight part.
  void backward();
  // The same in two passes.
  void backward_inputs();
  void backward_weights();

  // Called between nodes of a backward pass: lets communication under way make progress.
  void set_poll(Part poll) { poll_ = std::move(poll); }
  const Part& poll() const { return poll_; }
  std::size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    const char* name;
    Part input_gradient, weight_gradient;
  };
  std::vector<Node> nodes_;
  Part poll_;
  bool recording_;
};

}  // namespace longspan
