// Runs one stage's part of a pipeline schedule. Each microbatch has a tape of its own; receives wait, sends do not. A
// sent tensor is let go at a fixed point of the schedule and not when its message happens to be out, so that memory is
// the same in every run: activations when their gradient has come back, a gradient before the next backward (the stage
// before has nothing to do between that message and the one that follows it but what this stage has sent already, so
// that the wait ends). On one stage the schedule is a plain loop over microbatches.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "data/loader.hpp"
#include "layout/schedule.hpp"
#include "models/decoder.hpp"

namespace longspan {

struct StepInput {
  std::function<Microbatch(std::int64_t microbatch)> microbatch;
  double factor = 1;              // of every token's loss: 1 / (valid targets of the whole step)
  std::uint64_t dropout_key = 0;  // 0: nothing is dropped
  bool mask_documents = true;
};

class PipelineExecutor {
 public:
  PipelineExecutor(const Mesh& mesh, const Decoder& decoder, const SequenceContext& sequence, Schedule schedule,
                   Dtype dtype);
  ~PipelineExecutor();

  // Forward and backward of all microbatches; gradients are added to the parameters'. `done` hears of parameter groups
  // whose gradients are complete, `poll` runs between operations. Returns this rank's sums over tokens (0 but on the
  // last stage).
  Answers train(const StepInput& input, const Decoder::GroupDone& done, const std::function<void()>& poll);

  // Forward only, one microbatch after the other.
  Answers evaluate(const StepInput& input, std::int64_t microbatches);

 private:
  struct Running;  // a microbatch between its forward and its backward
  void receive_forward(int m);
  void forward(int m);
  void send_forward(int m);
  void receive_backward(int m);
  void backward(int m);
  void send_backward(int m);

  const Mesh& mesh_;
  const Decoder& decoder_;
  const SequenceContext& sequence_;
  Schedule schedule_;
  Dtype dtype_;

  const StepInput* input_ = nullptr;
  Decoder::GroupDone done_;
  std::function<void()> poll_;
  bool training_ = true;
  int last_backward_ = -1;  // the microbatch whose backward comes last: it completes the gradients
  Answers answers_;
  std::map<int, std::unique_ptr<Running>> running_;
  struct Sent {
    Tensor tensor;  // as it was given away, unchanged until the message is out
    Request request;
  };
  Sent send(const Tensor& t, int to, int tag) const;
  static void let_go(Sent& sent);         // once its message is out
  std::map<int, Sent> activations_sent_;  // by microbatch
  Sent gradient_sent_;
};

}  // namespace longspan
