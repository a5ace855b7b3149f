#include "pipeline/executor.hpp"

#include <algorithm>

#include "autograd/functions/tensor_axis.hpp"
#include "layout/make_schedule.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

constexpr int kForwardTag = 11, kBackwardTag = 12;

}  // namespace

struct PipelineExecutor::Running {
  explicit Running(bool training) : tape(training) {}
  Tape tape;
  Variable input, output;  // activations at the two edges of the chunk
  Tensor output_gradient;  // that is on its way
  Request arriving;        // the input, later the output's gradient
};

PipelineExecutor::PipelineExecutor(const Mesh& mesh, const Decoder& decoder, const SequenceContext& sequence,
                                   Schedule schedule, Dtype dtype)
    : mesh_(mesh), decoder_(decoder), sequence_(sequence), schedule_(std::move(schedule)), dtype_(dtype) {
  for (const Action& a : schedule_.actions[static_cast<std::size_t>(mesh_.at().pipeline)]) {
    if (ends_backward(a.kind)) last_backward_[a.chunk] = a.microbatch;
  }
}

PipelineExecutor::~PipelineExecutor() = default;

AnswerSums PipelineExecutor::train(const StepInput& input, const GroupDone& done, const std::function<void()>& poll) {
  input_ = &input;
  done_ = done;
  poll_ = poll;
  training_ = true;
  measured_.clear();
  if (measuring_) {
    device::fence();
    mesh_.world().barrier();
    clock_.restart();
  }
  run(schedule_.actions[static_cast<std::size_t>(mesh_.at().pipeline)]);
  return *answers_;
}

AnswerSums PipelineExecutor::evaluate(const StepInput& input, std::int64_t microbatches) {
  input_ = &input;
  done_ = {};
  poll_ = {};
  training_ = false;
  const Schedule forwards = forward_schedule(schedule_.stage_of, schedule_.stages, static_cast<int>(microbatches));
  run(forwards.actions[static_cast<std::size_t>(mesh_.at().pipeline)]);
  return *answers_;
}

void PipelineExecutor::run(const std::vector<Action>& actions) {
  answers_.emplace();
  for (const Action& a : actions) {
    if (is_message(a.kind)) {
      perform(a);
      continue;
    }
    if (const auto found = running_.find({a.microbatch, a.chunk}); found != running_.end()) {
      found->second->arriving.wait();
    }
    const double begin = measuring_ ? clock_.seconds() : 0;
    perform(a);
    if (!measuring_ || !training_) continue;
    device::fence();
    measured_.push_back({a, begin, clock_.seconds()});
  }
  let_go(activation_sent_);
  let_go(gradient_sent_);
}

void PipelineExecutor::perform(const Action& a) {
  switch (a.kind) {
    case ActionKind::receive_forward:
      return receive_forward(a);
    case ActionKind::forward:
      return forward(a);
    case ActionKind::send_forward:
      return send_forward(a);
    case ActionKind::receive_backward:
      return receive_backward(a);
    case ActionKind::backward:
      return backward(a);
    case ActionKind::backward_input:
      return backward_input(a);
    case ActionKind::backward_weight:
      return backward_weight(a);
    case ActionKind::send_backward:
      return send_backward(a);
  }
}

PipelineExecutor::Running& PipelineExecutor::start(const Action& a) {
  auto& slot = running_[{a.microbatch, a.chunk}];
  if (!slot) slot = std::make_unique<Running>(training_);
  return *slot;
}

PipelineExecutor::Running& PipelineExecutor::running(const Action& a) { return *running_.at({a.microbatch, a.chunk}); }

void PipelineExecutor::end(const Action& a) { running_.erase({a.microbatch, a.chunk}); }

const Microbatch& PipelineExecutor::data(int microbatch) {
  const auto found = data_.find(microbatch);
  if (found != data_.end()) return found->second;
  return data_.emplace(microbatch, input_->microbatch(microbatch)).first->second;
}

void PipelineExecutor::receive_forward(const Action& a) {
  Running& run = start(a);
  const Tensor& tokens = data(a.microbatch).tokens;
  const Tensor x =
      Tensor::empty(decoder_.residual_shape(tokens.dim(0), tokens.dim(1)), dtype_, Memory::activations, "stage input");
  run.arriving =
      mesh_.pipeline().receive_async(x, schedule_.stage_of[static_cast<std::size_t>(a.chunk - 1)], kForwardTag);
  run.input = Variable(x);
}

// The embedding's, the message's, or the output of the chunk before on the same stage.
Variable PipelineExecutor::chunk_input(const Action& a, const Context& context, const Decoder::GroupDone& done) {
  if (a.chunk == 0) return decoder_.embed(context, data(a.microbatch).tokens, done);
  if (!schedule_.from_other_stage(a.chunk)) {
    const Action before{a.kind, a.microbatch, a.chunk - 1};
    running(a).input = Variable(running(before).output.value());
    if (!training_) end(before);
  }
  return running(a).input;
}

void PipelineExecutor::forward(const Action& a) {
  Running& run = start(a);
  const Microbatch& batch = data(a.microbatch);
  const std::int64_t sequences = batch.tokens.dim(0);
  const Range rows = residual_rows(mesh_.tensor(), sequences * sequence_.shard.local_length());
  const Context context{
      .tape = run.tape,
      .mesh = mesh_,
      .sequence = sequence_,
      .batch = sequences,
      .first_sequence = batch.first_sequence,
      .document_starts = input_->mask_documents ? batch.document_starts : std::vector<std::vector<std::int64_t>>{},
      .dropout_key = input_->dropout_key,
      .dropout_rows =
          input_->dropout_key == 0
              ? Tensor()
              : make_dropout_rows(sequence_.shard, sequences, batch.first_sequence).slice(rows.begin, rows.size()),
      .remake = decoder_.settings().recompute.remake};
  Decoder::GroupDone done;
  if (training_) {
    done = [this, last = a.microbatch == last_backward_.at(a.chunk)](int group) { done_(group, last); };
  }
  run.tape.set_poll(poll_);
  const Variable x = chunk_input(a, context, done);
  run.output = decoder_.blocks(context, x, a.chunk, done);
  const bool last = a.chunk + 1 == schedule_.chunks();
  if (last) decoder_.loss(context, run.output, batch.targets, input_->factor, *answers_, done);
  if (last && !training_) end(a);
  // A microbatch passes the chunks of a stage in the order of depth.
  const auto& stage_of = schedule_.stage_of;
  if (std::find(stage_of.begin() + a.chunk + 1, stage_of.end(), mesh_.at().pipeline) == stage_of.end()) {
    data_.erase(a.microbatch);
  }
}

void PipelineExecutor::send_forward(const Action& a) {
  send(running(a).output.value(), schedule_.stage_of[static_cast<std::size_t>(a.chunk + 1)], kForwardTag,
       activation_sent_);
  if (!training_) end(a);
}

void PipelineExecutor::receive_backward(const Action& a) {
  Running& run = running(a);
  run.output_gradient = Tensor::empty(run.output.value().shape(), dtype_, Memory::activations, "stage output gradient");
  run.arriving = mesh_.pipeline().receive_async(
      run.output_gradient, schedule_.stage_of[static_cast<std::size_t>(a.chunk + 1)], kBackwardTag);
}

void PipelineExecutor::backward(const Action& a) {
  Running& run = running(a);
  if (run.output_gradient.defined()) run.output.set_gradient(std::exchange(run.output_gradient, Tensor()));
  run.tape.backward();
  pass_gradient_on(a);
  end_if_over(a);
}

void PipelineExecutor::backward_input(const Action& a) {
  Running& run = running(a);
  if (run.output_gradient.defined()) run.output.set_gradient(std::exchange(run.output_gradient, Tensor()));
  run.tape.backward_inputs();
  pass_gradient_on(a);
}

void PipelineExecutor::backward_weight(const Action& a) {
  running(a).tape.backward_weights();
  end_if_over(a);
}

// To the chunk before, where it is on the same stage.
void PipelineExecutor::pass_gradient_on(const Action& a) {
  if (a.chunk == 0 || schedule_.from_other_stage(a.chunk)) return;
  running({a.kind, a.microbatch, a.chunk - 1}).output.set_gradient(running(a).input.take_gradient());
}

void PipelineExecutor::send_backward(const Action& a) {
  Running& run = running(a);
  send(run.input.take_gradient(), schedule_.stage_of[static_cast<std::size_t>(a.chunk - 1)], kBackwardTag,
       gradient_sent_);
  end_if_over(a);
}

// Once both parts of its backward have run and its gradient is sent.
void PipelineExecutor::end_if_over(const Action& a) {
  const Running& run = running(a);
  const bool to_send = schedule_.from_other_stage(a.chunk) && run.input.gradient().defined();
  if (run.tape.size() == 0 && !to_send) end(a);
}

void PipelineExecutor::let_go(Sent& sent) {
  sent.request.wait();
  sent.tensor = Tensor();
}

void PipelineExecutor::send(const Tensor& t, int to, int tag, Sent& sent) const {
  let_go(sent);
  sent.request = mesh_.pipeline().send_async(t, to, tag);
  sent.tensor = t;
}

}  // namespace longspan
