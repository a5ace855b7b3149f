#include "nn/parameter.hpp"

#include <algorithm>

#include "base/hash.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

// Parameters start at multiples of 64 bytes (of float64: 8 elements).
constexpr std::int64_t kAlignment = 16;

// In the flat buffers.
std::int64_t end_of(const Parameter& p) {
  return p.offset() + (p.local_shape().size() + kAlignment - 1) / kAlignment * kAlignment;
}

// Of the parameters of a group: in this order those that an axis of one rank splits are next to those that none does.
int place_of(const ParameterShard& shard) { return shard.over(Axis::sequence) ? 0 : shard.replicated() ? 1 : 2; }

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
  parameters_.push_back(std::move(p));
  place(parameters_.back().get());
  return parameters_.back().get();
}

// An axis of one rank splits as well as not: one group of ranks has one name, and its parameters go together.
std::optional<Axis> ParameterStore::split_axis(const Parameter& p) const {
  const std::optional<Axis> axis = p.info().shard.split_axis();
  if (axis && mesh_.extent(*axis) > 1) return axis;
  return mesh_.tensor == 1 ? std::optional(Axis::tensor) : std::nullopt;
}

// Behind the parameters of its group that the same ranks hold.
void ParameterStore::place(Parameter* p) {
  auto place = placed_.end();
  while (place != placed_.begin() && place[-1]->info().group == p->info().group &&
         place_of(p->info().shard) < place_of(place[-1]->info().shard)) {
    --place;
  }
  place = placed_.insert(place, p);
  elements_ = place == placed_.begin() ? 0 : end_of(*place[-1]);
  for (; place != placed_.end(); ++place) {
    (*place)->offset_ = elements_;
    elements_ = end_of(**place);
  }
}

std::vector<ParameterPiece> ParameterStore::pieces() const {
  std::vector<ParameterPiece> pieces;
  for (std::size_t i = 0; i < placed_.size(); ++i) {
    const Parameter& p = *placed_[i];
    const auto number = static_cast<std::int64_t>(i);
    const std::optional<Axis> axis = split_axis(p);
    const ParameterPiece* last = pieces.empty() ? nullptr : &pieces.back();
    if (!last || last->group != p.info().group || last->split_axis != axis || last->tied || p.info().tied) {
      pieces.push_back({.group = p.info().group,
                        .split_axis = axis,
                        .tied = p.info().tied,
                        .range = {p.offset(), p.offset()},
                        .parameters = {number, number}});
    }
    pieces.back().range.end = end_of(p);
    pieces.back().parameters.end = number + 1;
  }
  std::int64_t owned = 0;
  for (ParameterPiece& piece : pieces) {
    const Holder holder = holder_of(piece.split_axis, mesh_, at_);
    piece.holders = holder.count;
    piece.owned = owned_range(piece.range, holder, zero_);
    piece.owned_offset = owned;
    owned += piece.owned.size();
  }
  return pieces;
}

std::int64_t ParameterStore::owned_elements() const {
  std::int64_t n = 0;
  for (const ParameterPiece& piece : pieces()) n += piece.owned.size();
  return n;
}

void ParameterStore::allocate(Dtype dtype, std::uint64_t seed, bool training) {
  pieces_ = pieces();
  windows_.resize(pieces_.size());
  const std::int64_t owned = owned_elements();
  values_ = Tensor::zeros({shards_values(zero_) ? owned : elements_}, dtype, Memory::parameters, "parameters");
  if (training) {
    gradients_ = Tensor::zeros({shards_gradients(zero_) ? owned : elements_}, accumulation_dtype(dtype),
                               Memory::gradients, "gradients");
  }
  for (std::size_t i = 0; i < pieces_.size(); ++i) allocate(i, seed, training);
}

void ParameterStore::allocate(std::size_t number, std::uint64_t seed, bool training) {
  const ParameterPiece& piece = pieces_[number];
  const auto whole_of = [&piece](const Tensor& flat, bool owned_alone) {
    return flat.slice(owned_alone ? piece.owned_offset : piece.range.begin, piece.range.size());
  };
  for (auto i = piece.parameters.begin; i < piece.parameters.end; ++i) {
    Parameter& p = *placed_[static_cast<std::size_t>(i)];
    const std::int64_t begin = std::clamp(piece.owned.begin - p.offset(), std::int64_t{0}, p.local_.size());
    const std::int64_t end = std::clamp(piece.owned.end - p.offset(), std::int64_t{0}, p.local_.size());
    p.owned_ = {begin, end};
    p.owned_offset_ =
        piece.owned_offset + std::clamp(p.offset() + begin, piece.owned.begin, piece.owned.end) - piece.owned.begin;
    p.variable_ = Variable::parameter(Tensor(), Tensor());
  }
  const bool keeps = keeps_values(piece);
  const Tensor whole = keeps ? whole_of(values_, shards_values(zero_))
                             : Tensor::zeros({piece.range.size()}, dtype(), Memory::parameters, "whole parameters");
  show_values(piece, whole);
  for (auto i = piece.parameters.begin; i < piece.parameters.end; ++i) {
    initialize(*placed_[static_cast<std::size_t>(i)], seed);
  }
  if (!keeps) {
    ops::copy(whole.slice(piece.owned.begin - piece.range.begin, piece.owned.size()), owned_values(piece));
    show_values(piece, Tensor());
  }
  if (training && keeps_gradients(piece)) show_gradients(piece, whole_of(gradients_, shards_gradients(zero_)));
}

std::int64_t ParameterStore::counted_elements() const {
  std::int64_t n = 0;
  for (const auto& p : parameters_) n += counts(*p) ? p->local_shape().size() : 0;
  return n;
}

}  // namespace longspan
