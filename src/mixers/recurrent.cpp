#include "mixers/recurrent.hpp"

#include "nn/contiguous.hpp"
#include "ops/elementwise.hpp"

namespace longspan {

RecurrentRun::RecurrentRun(const Context& context, RecurrentCache* cache)
    : context_(context), cache_(cache), documents_(document_rows(context)) {}

Variable RecurrentRun::convolve(const ShortConvolution& convolution, const Variable& x) {
  return cache_ ? convolution.extend(context_, x, cache_->edges.at(convolutions_++))
                : convolution.forward(context_, x, documents_);
}

Variable RecurrentRun::recur(const ops::RecurrenceSettings& settings, const RecurrenceVariables& in) const {
  return cache_ ? Variable(extend_recurrence(settings, in, documents_, cache_->state))
                : recurrence(tape(), settings, in, documents_, context_.mesh.sequence());
}

Variable constant_decay(const Tensor& x, const std::vector<double>& log_decay) {
  const auto heads = static_cast<std::int64_t>(log_decay.size());
  const Tensor row = Tensor::from_host(log_decay, {heads}, Memory::workspace, "log decays");
  const Tensor rows = Tensor::empty({x.dim(0), x.dim(1), heads}, accumulation_dtype(x.dtype()));
  ops::repeat_row(row, rows);
  return Variable(rows, false);
}

Variable no_decay(const Tensor& x, std::int64_t heads) {
  return Variable(Tensor::zeros({x.dim(0), x.dim(1), heads}, accumulation_dtype(x.dtype())), false);
}

Variable RecurrentMixer::forward(const Context& context, const Variable& x) const {
  return in_contiguous_run(context, x, [this](const Context& inner, const Variable& rows) {
    RecurrentRun run(inner, nullptr);
    return mix(run, rows);
  });
}

std::unique_ptr<MixerCache> RecurrentMixer::make_cache(std::int64_t batch, std::int64_t, Dtype dtype) const {
  const RecurrentSizes size = sizes();
  auto cache = std::make_unique<RecurrentCache>();
  cache->state = Tensor::zeros({batch * size.heads, size.key, size.value}, accumulation_dtype(dtype),
                               Memory::activations, "recurrent state");
  for (const std::int64_t channels : size.convolutions) {
    cache->edges.push_back(Tensor::empty({batch, 0, channels}, dtype, Memory::activations, "convolution edge"));
  }
  return cache;
}

Variable RecurrentMixer::extend(const Context& context, const Variable& x, MixerCache& cache) const {
  RecurrentRun run(context, &dynamic_cast<RecurrentCache&>(cache));
  return mix(run, x);
}

double recurrence_flops(std::int64_t key, std::int64_t value, std::int64_t chunk, bool delta) {
  const double K = static_cast<double>(key), V = static_cast<double>(value), C = static_cast<double>(chunk);
  const double diagonal = 4 * K * V + C * (K + V);
  return delta ? diagonal + 2 * K * V + 2 * C * K + C * V + C * C / 3 : diagonal;
}

}  // namespace longspan
