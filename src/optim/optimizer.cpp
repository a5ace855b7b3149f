#include "optim/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "ops/adamw.hpp"
#include "ops/elementwise.hpp"

namespace longspan {

double gradient_norm(const ParameterStore& store, const Mesh& mesh, const std::string& norm) {
  std::vector<Tensor> counted;
  for (const auto& p : store.all()) {
    if (store.counts(*p)) counted.push_back(store.owned_gradient(*p));
  }
  if (norm == "infinity") return mesh.world().all_reduce_value(ops::max_absolute(counted), Reduce::max);
  return std::sqrt(mesh.world().all_reduce_value(ops::sum_of_squares(counted)));
}

double clip_scale(double norm, double clip) { return clip > 0 && norm > clip ? clip / norm : 1.0; }

Optimizer::Optimizer(const OptimizerConfig& config, const ParameterStore& store) : config_(config), store_(store) {
  const Dtype dtype = store.dtype(), accumulation = accumulation_dtype(dtype);
  const auto state = [&](const char* label) {
    return Tensor::zeros({store.owned_elements()}, accumulation, Memory::optimizer, label);
  };
  m_ = state("first moments");
  v_ = state("second moments");
  states_ = {{"m", m_}, {"v", v_}};
  if (accumulation == dtype) return;
  master_ = state("master weights");
  for (const auto& p : store.all()) ops::copy(store.owned_values(*p), store.owned_of(*p, master_));
  states_.push_back({"master", master_});
}

void Optimizer::step(double learning_rate, double scale) {
  ++steps_;
  for (const auto& p : store_.all()) {
    if (p->owned().size() == 0) continue;
    const Tensor values = store_.owned_values(*p);
    const Tensor master = master_.defined() ? store_.owned_of(*p, master_) : values;
    ops::adamw(master, store_.owned_of(*p, m_), store_.owned_of(*p, v_), store_.owned_gradient(*p), values,
               {.rate = learning_rate,
                .beta1 = config_.beta1,
                .beta2 = config_.beta2,
                .epsilon = config_.epsilon,
                .decay = p->info().decay ? config_.weight_decay : 0,
                .gradient_scale = scale,
                .step = steps_});
  }
}

}  // namespace longspan
