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
    LONGSPAN_CHECK(info.shard.replicated() || info.shard.dim == 0,
                   "[parameter] {}: columns are not made entry by entry", info.name);
    const std::int64_t cols = info.shape.size() / std::max<std::int64_t>(1, info.shape[0]);
    std::vector<double> values;
    for (const PositionRun& run : p.runs()) {
      for (std::int64_t i = 0; i < run.count * cols; ++i) {
        const std::int64_t row = run.position(i / cols);
        values.push_back(info.init.entry(hash_name(info.name, seed), row * cols + i % cols));
      }
    }
    ops::copy(Tensor::from_host(values, p.local_shape(), Memory::workspace, "initial values"), p.value());
    return;
  }
  // The parameter as a matrix of its last dimension: a split of that one takes columns, of the first one rows.
  const std::int64_t cols = info.shape[-1];
  const std::uint64_t key = hash_name(info.name, seed);
  if (info.shard.dim == info.shape.rank() - 1) {
    for (const PositionRun& run : p.runs()) ops::fill_normal(p.value(), key, info.init.value, cols, 0, run);
    return;
  }
  const std::int64_t rows_each = info.shape.rows() / std::max<std::int64_t>(1, info.shape[0]);
  for (const PositionRun& run : p.runs()) {
    const std::int64_t piece = run.stride == 1 ? run.count : 1;  // rows that follow each other
    for (std::int64_t i = 0; i < run.count; i += piece) {
      ops::fill_normal(p.value().slice(run.row + i, piece), key, info.init.value, cols, run.position(i) * rows_each,
                       {.row = 0, .first = 0, .count = cols});
    }
  }
}

}  // namespace

Parameter* ParameterStore::declare(const ParameterInfo& info) {
  auto p = std::make_unique<Parameter>();
  p->info_ = info;
  p->local_ = info.shape;
  const ParameterShard& shard = info.shard;
  const int dim = std::max(0, shard.dim);
  LONGSPAN_CHECK(dim == info.shape.rank() - 1 || dim == 0, "[parameter] {}: only the first or last dimension is split",
                 info.name);
  p->runs_ = shard.runs(info.shape[dim], shard.parts(mesh_), at_.along(shard.axis));
  p->local_[dim] = count_entries(p->runs_);
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

std::vector<ParameterStore::GradientPiece> ParameterStore::group_pieces(int group) const {
  std::vector<GradientPiece> pieces;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = *parameters_[i];
    if (p.info().group != group) continue;
    const std::int64_t end = i + 1 < parameters_.size() ? parameters_[i + 1]->offset() : elements_;
    const bool by_position = p.info().shard.over(Axis::sequence);
    if (pieces.empty() || pieces.back().by_position != by_position) pieces.push_back({{p.offset(), end}, by_position});
    pieces.back().range.end = end;
  }
  return pieces;
}

std::int64_t ParameterStore::counted_elements() const {
  std::int64_t n = 0;
  for (const auto& p : parameters_) n += counts(*p) ? p->local_shape().size() : 0;
  return n;
}

}  // namespace longspan
