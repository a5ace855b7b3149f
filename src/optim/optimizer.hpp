// AdamW over a parameter store, with the global gradient norm and its clipping. Master weights and moments have the
// accumulation dtype; in float64 and float32 the parameters are their own masters. With ZeRO every rank updates what it
// owns.
#pragma once

#include <string>
#include <vector>

#include "comm/mesh.hpp"
#include "config/run_config.hpp"
#include "nn/parameter.hpp"

namespace longspan {

// The norm "2" (Euclidean) or "infinity" (largest magnitude; infinite where a value is no number) of the gradient of
// the whole model, the same on every rank and mesh. Parameters that several ranks hold are counted once. Collective.
double gradient_norm(const ParameterStore& store, const Mesh& mesh, const std::string& norm = "2");

class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, const ParameterStore& store);

  // One step with complete gradients of what this rank owns; `scale` multiplies them (clipping). Other ranks that hold
  // the same learn of it by ParameterStore::share_values.
  void step(double learning_rate, double scale);

  std::int64_t steps_done() const { return steps_; }
  void set_steps_done(std::int64_t steps) { steps_ = steps; }

  // Flat arrays of owned elements (ParameterStore::owned_of), for checkpoints: "m", "v" and, in bfloat16, "master".
  struct State {
    std::string name;
    Tensor flat;
  };
  const std::vector<State>& states() const { return states_; }

 private:
  OptimizerConfig config_;
  const ParameterStore& store_;
  Tensor master_, m_, v_;
  std::vector<State> states_;
  std::int64_t steps_ = 0;
};

// What clipping multiplies the gradients with: min(1, clip / norm); clip = 0 is off.
double clip_scale(double norm, double clip);

}  // namespace longspan
