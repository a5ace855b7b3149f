// One optimizer step: all microbatches through the pipeline, gradient sums over the replicas, clipping, AdamW.
#pragma once

#include "optim/gradient_reducer.hpp"
#include "train/session.hpp"

namespace longspan {

struct StepResult {
  double loss = 0;           // mean over the step's targets
  double accuracy = 0;       // share of them that are the most probable token
  double gradient_norm = 0;  // of the whole model, before clipping
  double learning_rate = 0;
  std::int64_t tokens = 0;  // that the model read
  bool skipped = false;     // loss or gradient norm is not finite: no update may use these gradients
};

class TrainingStep {
 public:
  // The session must be allocated for training before the first call.
  explicit TrainingStep(Session& session) : session_(session), reducer_(session.store(), session.mesh()) {}

  // Loss and complete gradients of step number `step` (from 0), no update. Loss and norm are sums over all ranks, the
  // same bits on each, so that all agree on `skipped`. Collective.
  StepResult gradients(std::int64_t step);
  // The same, then the update, or none at all (weights, moments and the optimizer's count stay). Collective.
  StepResult run(std::int64_t step);

 private:
  Session& session_;
  GradientReducer reducer_;
};

}  // namespace longspan
