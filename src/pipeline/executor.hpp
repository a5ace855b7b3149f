// Runs one stage's part of a pipeline schedule. Every microbatch has a tape of its own in each chunk. A receive offers
// its buffer, and the action that needs the message waits for it; sends do not wait. A sent tensor is let go at a fixed
// point of the schedule and not when its message happens to be out, so that memory is the same in every run: before the
// next send of the same kind (the schedule's order lets sends wait for their receives, so that the wait ends). On one
// stage the schedule is a plain loop over microbatches.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/timer.hpp"
#include "data/loader.hpp"
#include "layout/replay.hpp"
#include "layout/schedule.hpp"
#include "models/decoder.hpp"

namespace longspan {

struct StepInput {
  std::function<Microbatch(std::int64_t microbatch)> microbatch;  // asked for once each
  double factor = 1;              // of every token's loss: 1 / (valid targets of the whole step)
  std::uint64_t dropout_key = 0;  // 0: nothing is dropped
  bool mask_documents = true;
};

class PipelineExecutor {
 public:
  // A schedule that was checked; the decoder holds this stage's chunks.
  PipelineExecutor(const Mesh& mesh, const Decoder& decoder, const SequenceContext& sequence, Schedule schedule,
                   Dtype dtype);
  ~PipelineExecutor();

  const Schedule& schedule() const { return schedule_; }

  // A microbatch has added to all gradients of a parameter group; `last`: no other will.
  using GroupDone = std::function<void(int group, bool last)>;

  // Forward and backward of all microbatches; gradients are added to the parameters'. `done` hears of each group and
  // microbatch, `poll` runs between operations. Returns this rank's sums over tokens (0 but on the
  // stage of the last chunk).
  AnswerSums train(const StepInput& input, const GroupDone& done, const std::function<void()>& poll);

  // Forward only.
  AnswerSums evaluate(const StepInput& input, std::int64_t microbatches);

  // Whether train() measures its actions, in seconds since all ranks started together; waiting for a message is not
  // part of an action. Collective over the world in train().
  void set_measuring(bool measuring) { measuring_ = measuring; }
  const std::vector<TimedAction>& measured() const { return measured_; }

 private:
  struct Running;                   // a microbatch in a chunk, between its forward and the end of its backward
  using Key = std::pair<int, int>;  // microbatch, chunk
  struct Sent {
    Tensor tensor;  // as it was given away, unchanged until the message is out
    Request request;
  };

  void run(const std::vector<Action>& actions);
  void perform(const Action& a);
  void receive_forward(const Action& a);
  void forward(const Action& a);
  void send_forward(const Action& a);
  void receive_backward(const Action& a);
  void backward(const Action& a);
  void backward_input(const Action& a);
  void backward_weight(const Action& a);
  void send_backward(const Action& a);

  Running& running(const Action& a);
  Running& start(const Action& a);
  const Microbatch& data(int microbatch);
  Variable chunk_input(const Action& a, const Context& context, const Decoder::GroupDone& done);
  void pass_gradient_on(const Action& a);
  void end_if_over(const Action& a);
  void end(const Action& a);
  void send(const Tensor& t, int to, int tag, Sent& sent) const;
  static void let_go(Sent& sent);  // once its message is out

  const Mesh& mesh_;
  const Decoder& decoder_;
  const SequenceContext& sequence_;
  Schedule schedule_;
  Dtype dtype_;
  std::map<int, int> last_backward_;  // [chunk] the microbatch whose backward ends last: it completes the gradients

  const StepInput* input_ = nullptr;
  GroupDone done_;
  std::function<void()> poll_;
  bool training_ = true;
  std::optional<AnswerSums> answers_;  // of this run
  std::map<int, Microbatch> data_;     // of microbatches that have not passed all chunks of this stage
  std::map<Key, std::unique_ptr<Running>> running_;
  Sent activation_sent_, gradient_sent_;

  bool measuring_ = false;
  Timer clock_;
  std::vector<TimedAction> measured_;
};

}  // namespace longspan
