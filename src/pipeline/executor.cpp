#include "pipeline/executor.hpp"

namespace longspan {
namespace {

constexpr int kForwardTag = 11, kBackwardTag = 12;

int last_backward(const std::vector<Action>& actions) {
  int last = -1;
  for (const Action& action : actions) {
    if (action.kind == ActionKind::backward) last = action.microbatch;
  }
  return last;
}

}  // namespace

struct PipelineExecutor::Running {
  explicit Running(bool training) : tape(training) {}
  Tape tape;
  Microbatch data;
  Variable input, output;  // activations at the two edges of the stage
};

PipelineExecutor::PipelineExecutor(const Mesh& mesh, const Decoder& decoder, const SequenceContext& sequence,
                                   Schedule schedule, Dtype dtype)
    : mesh_(mesh), decoder_(decoder), sequence_(sequence), schedule_(std::move(schedule)), dtype_(dtype) {
  check(schedule_);
}

PipelineExecutor::~PipelineExecutor() = default;

Answers PipelineExecutor::train(const StepInput& input, const Decoder::GroupDone& done,
                                const std::function<void()>& poll) {
  const std::vector<Action>& actions = schedule_.actions[static_cast<std::size_t>(mesh_.at().pipeline)];
  input_ = &input;
  done_ = done;
  poll_ = poll;
  training_ = true;
  last_backward_ = last_backward(actions);
  answers_ = {};
  for (const Action& action : actions) {
    switch (action.kind) {
      case ActionKind::receive_forward:
        receive_forward(action.microbatch);
        break;
      case ActionKind::forward:
        forward(action.microbatch);
        break;
      case ActionKind::send_forward:
        send_forward(action.microbatch);
        break;
      case ActionKind::receive_backward:
        receive_backward(action.microbatch);
        break;
      case ActionKind::backward:
        backward(action.microbatch);
        break;
      case ActionKind::send_backward:
        send_backward(action.microbatch);
        break;
    }
  }
  let_go(gradient_sent_);
  return answers_;
}

Answers PipelineExecutor::evaluate(const StepInput& input, std::int64_t microbatches) {
  input_ = &input;
  training_ = false;
  answers_ = {};
  for (int m = 0; m < microbatches; ++m) {
    if (!mesh_.first_stage()) receive_forward(m);
    forward(m);
    let_go(activations_sent_[m - 1]);
    if (!mesh_.last_stage()) send_forward(m);
    running_.erase(m);
  }
  for (auto& [m, sent] : activations_sent_) let_go(sent);
  activations_sent_.clear();
  return answers_;
}

void PipelineExecutor::receive_forward(int m) {
  auto& run = running_[m] = std::make_unique<Running>(training_);
  run->data = input_->microbatch(m);
  const Tensor& tokens = run->data.tokens;
  const Tensor x = Tensor::empty(decoder_.activation_shape(tokens.dim(0), tokens.dim(1)), dtype_, Memory::activations,
                                 "stage input");
  mesh_.pipeline().receive(x, mesh_.at().pipeline - 1, kForwardTag);
  run->input = Variable(x);
}

void PipelineExecutor::forward(int m) {
  auto& slot = running_[m];
  if (!slot) {
    slot = std::make_unique<Running>(training_);
    slot->data = input_->microbatch(m);
  }
  Running& run = *slot;
  const std::int64_t batch = run.data.tokens.dim(0);
  const Context context{
      .tape = run.tape,
      .mesh = mesh_,
      .sequence = sequence_,
      .batch = batch,
      .first_sequence = run.data.first_sequence,
      .document_starts = input_->mask_documents ? run.data.document_starts : std::vector<std::vector<std::int64_t>>{},
      .dropout_key = input_->dropout_key,
      .dropout_rows =
          input_->dropout_key == 0 ? Tensor() : make_dropout_rows(sequence_.shard, batch, run.data.first_sequence)};
  const Decoder::GroupDone done = training_ && m == last_backward_ ? done_ : Decoder::GroupDone{};
  run.tape.set_poll(poll_);
  const Variable x = mesh_.first_stage() ? decoder_.embed(context, run.data.tokens, done) : run.input;
  run.output = decoder_.blocks(context, x, done);
  if (mesh_.last_stage()) answers_ += decoder_.loss(context, run.output, run.data.targets, input_->factor, done);
}

void PipelineExecutor::send_forward(int m) {
  activations_sent_[m] = send(running_.at(m)->output.value(), mesh_.at().pipeline + 1, kForwardTag);
}

void PipelineExecutor::receive_backward(int m) {
  const Variable& output = running_.at(m)->output;
  const Tensor dy = Tensor::empty(output.value().shape(), dtype_, Memory::activations, "stage output gradient");
  mesh_.pipeline().receive(dy, mesh_.at().pipeline + 1, kBackwardTag);
  output.set_gradient(dy);
  let_go(activations_sent_[m]);
  activations_sent_.erase(m);
}

void PipelineExecutor::backward(int m) {
  let_go(gradient_sent_);
  Running& run = *running_.at(m);
  run.tape.backward();
  if (mesh_.first_stage()) running_.erase(m);
}

void PipelineExecutor::send_backward(int m) {
  gradient_sent_ = send(running_.at(m)->input.take_gradient(), mesh_.at().pipeline - 1, kBackwardTag);
  running_.erase(m);
}

void PipelineExecutor::let_go(Sent& sent) {
  sent.request.wait();
  sent.tensor = Tensor();
}

PipelineExecutor::Sent PipelineExecutor::send(const Tensor& t, int to, int tag) const {
  return {t, mesh_.pipeline().send_async(t, to, tag)};
}

}  // namespace longspan
