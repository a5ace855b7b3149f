#include "optim/optimizer.hpp"

#include <algorithm>
#include <cmath>

#include "ops/adamw.hpp"
#include "ops/elementwise.hpp"

namespace longspan {

double gradient_norm(const ParameterStore& store, const Mesh& mesh) {
  double sum = 0;
  for (const auto& p : store.all()) {
    if (store.counts(*p)) sum += ops::sum_of_squares(p->gradient());
  }
  return std::sqrt(sum_of_counted(mesh, sum));
}

double clip_scale(double norm, double clip) { return clip > 0 && norm > clip ? clip / norm : 1.0; }

Optimizer::Optimizer(const OptimizerConfig& config, const ParameterStore& store) : config_(config), store_(store) {
  const Tensor& values = store.values();
  const Dtype accumulation = accumulation_dtype(values.dtype());
  m_ = Tensor::zeros(values.shape(), accumulation, Memory::optimizer, "first moments");
  v_ = Tensor::zeros(values.shape(), accumulation, Memory::optimizer, "second moments");
  states_ = {{"m", m_}, {"v", v_}};
  if (accumulation == values.dtype()) {
    master_ = values;
  } else {
    master_ = Tensor::empty(values.shape(), accumulation, Memory::optimizer, "master weights");
    ops::copy(values, master_);
    states_.push_back({"master", master_});
  }
}

void Optimizer::step(double learning_rate, double scale) {
  ++steps_;
  for (const auto& p : store_.all()) {
    const auto part = [&p](const Tensor& flat) { return flat.slice(p->offset(), p->local_shape().size()); };
    ops::adamw(part(master_), part(m_), part(v_), part(store_.gradients()), part(store_.values()),
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
