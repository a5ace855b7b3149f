#include "train/training_step.hpp"

#include <algorithm>
#include <cmath>

#include "optim/learning_rate.hpp"

namespace longspan {
namespace {

// 0, "nothing is dropped", is never a key.
std::uint64_t dropout_key(const TrainConfig& config, std::int64_t step) {
  if (config.model.dropout == 0) return 0;
  return hash_name("dropout", mix64(static_cast<std::uint64_t>(config.run.seed)) + static_cast<std::uint64_t>(step)) |
         1;
}

}  // namespace

StepResult TrainingStep::gradients(std::int64_t step) {
  const TrainConfig& config = session_.config();
  const Mesh& mesh = session_.mesh();
  session_.store().zero_gradients();

  // The loss is a sum over targets divided by their number, both over all data and sequence ranks.
  std::vector<Microbatch> data;
  std::int64_t targets = 0;
  for (std::int64_t m = 0; m < config.parallel.microbatches; ++m) {
    data.push_back(session_.loader().training(step, m));
    targets += data.back().valid_targets;
  }
  targets = mesh.replicas().all_reduce_value(targets);
  const StepInput input{.microbatch = [&](std::int64_t m) { return data[static_cast<std::size_t>(m)]; },
                        .factor = 1.0 / static_cast<double>(std::max<std::int64_t>(1, targets)),
                        .dropout_key = dropout_key(config, step),
                        .mask_documents = config.data.mask_documents};
  const AnswerSums local = session_.executor().train(
      input, [this](int group, bool last) { reducer_.start(group, last); }, [this] { reducer_.poll(); });
  reducer_.finish();

  const Answers answers = local.total(mesh);
  StepResult result;
  result.loss = answers.loss * input.factor;
  result.accuracy = answers.correct * input.factor;
  result.gradient_norm = gradient_norm(session_.store(), mesh, config.optimizer.norm);
  result.learning_rate = learning_rate(config.optimizer, step, config.run.steps);
  result.tokens = config.data.batch * config.data.sequence_length;
  result.skipped = !std::isfinite(result.loss) || !std::isfinite(result.gradient_norm);
  return result;
}

StepResult TrainingStep::run(std::int64_t step) {
  const StepResult result = gradients(step);
  if (result.skipped) return result;
  session_.optimizer().step(result.learning_rate, clip_scale(result.gradient_norm, session_.config().optimizer.clip));
  session_.store().share_values(session_.mesh());
  return result;
}

}  // namespace longspan
