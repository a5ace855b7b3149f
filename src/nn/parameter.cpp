#include "nn/parameter.hpp"

#include <algorithm>

#include "base/hash.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

// Parameters start at multiples of 64 bytes (of float64: 8 elements).
constexpr std::int64_t kAlignment = 16;

void initialize(const Parameter& p, std::uint64_t seed) {
  const ParameterInfo& info = p.info();
  if (info.init.kind == Initializer::Kind::constant) {
    ops::fill(p.value(), info.init.value);
    return;
  }
  if (info.init.kind == Initializer::Kind::function) {
    LONGSPAN_CHECK(info.shard.replicated() || info.shard.dim == 0, "[parameter] {}: columns are not made entry by entry",
                   info.name);
    const std::int64_t first = p.range().begin * (info.shape.size() / std::max<std::int64_t>(1, info.shape[0]));
    std::vector<double> values;
    for (std::int64_t i = 0; i < p.local_shape().size(); ++i) {
      values.push_back(info.init.entry(hash_name(info.name, seed), first + i));
    }
    ops::copy(Tensor::from_host(values, p.local_shape(), Memory::workspace, "initial values"), p.value());
    return;
  }
  // The parameter as a matrix of its last dimension: a split of that one shifts columns, of the first one rows.
  const bool columns = info.shard.dim == info.shape.rank() - 1;
  const std::int64_t rows_each = info.shape.rows() / std::max<std::int64_t>(1, info.shape[0]);
  ops::fill_normal(p.value(), hash_name(info.name, seed), info.init.value, info.shape[-1],
                   columns ? 0 : p.range().begin * rows_each, columns ? p.range().begin : 0);
}

}  // namespace

Parameter* ParameterStore::declare(const ParameterInfo& info) {
  auto p = std::make_unique<Parameter>();
  p->info_ = info;
  p->local_ = info.shape;
  p->range_ = {0, info.shape[0]};
  if (!info.shard.replicated()) {
    const int dim = info.shard.dim;
    LONGSPAN_CHECK(dim == 0 || dim == info.shape.rank() - 1,
                   "[parameter] {}: only the first or last dimension is split", info.name);
    p->range_ = info.shard.range(info.shape[dim], mesh_.tensor, at_.tensor);
    p->local_[dim] = p->range_.size();
  }
  p->offset_ = elements_;
  elements_ += (p->local_.size() + kAlignment - 1) / kAlignment * kAlignment;
  parameters_.push_back(std::move(p));
  return parameters_.back().get();
}

void ParameterStore::allocate(Dtype dtype, std::uint64_t seed, bool training) {
  values_ = Tensor::zeros({elements_}, dtype, Memory::parameters, "parameters");
  if (training) gradients_ = Tensor::zeros({elements_}, accumulation_dtype(dtype), Memory::gradients, "gradients");
  for (const auto& p : parameters_) {
    const std::int64_t n = p->local_.size();
    const auto part = [&p, n](const Tensor& flat) { return flat.slice(p->offset_, n).reshape(p->local_); };
    p->variable_ = Variable::parameter(part(values_), training ? part(gradients_) : Tensor());
    initialize(*p, seed);
  }
}

Range ParameterStore::group_range(int group) const {
  Range range{elements_, 0};
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (parameters_[i]->info().group != group) continue;
    range.begin = std::min(range.begin, parameters_[i]->offset());
    range.end = i + 1 < parameters_.size() ? parameters_[i + 1]->offset() : elements_;
  }
  return range.begin > range.end ? Range{} : range;
}

std::int64_t ParameterStore::counted_elements() const {
  std::int64_t n = 0;
  for (const auto& p : parameters_) n += counts(*p) ? p->local_shape().size() : 0;
  return n;
}

}  // namespace longspan
