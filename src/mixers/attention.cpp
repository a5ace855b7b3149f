#include "mixers/attention.hpp"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/write_rows.hpp"

namespace longspan {
namespace {

// Slopes 2^(-8 i / H), i = 1..H, for a power of two; other head counts take every second slope of the next power of two
// for the rest (Press et al. 2022).
std::vector<double> alibi_slopes(std::int64_t heads) {
  std::int64_t power = 1;
  while (power * 2 <= heads) power *= 2;
  std::vector<double> slopes;
  for (std::int64_t i = 1; i <= power; ++i)
    slopes.push_back(std::exp2(-8.0 * static_cast<double>(i) / static_cast<double>(power)));
  for (std::int64_t i = 1; static_cast<std::int64_t>(slopes.size()) < heads; i += 2) {
    slopes.push_back(std::exp2(-4.0 * static_cast<double>(i) / static_cast<double>(power)));
  }
  return slopes;
}

Tensor local_alibi_slopes(std::int64_t all_heads, std::int64_t first, std::int64_t count, Dtype accumulation) {
  const std::vector<double> slopes = alibi_slopes(all_heads);
  const Tensor wide =
      Tensor::from_host(std::vector<double>(slopes.begin() + first, slopes.begin() + first + count), {count});
  if (accumulation == Dtype::float64) return wide;
  const Tensor narrow = Tensor::empty({count}, accumulation);
  ops::copy(wide, narrow);
  return narrow;
}

SequenceAxes sequence_axes(const Mesh& mesh) {
  return {mesh.sequence(), mesh.sequence_inner(), mesh.sequence_outer(), mesh.self()};
}

}  // namespace

Attention::Attention(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      method_(make_sequence_method(s.sequence_method, store.mesh().sequence, s.sequence_inner)),
      layer_(s.layer),
      projections_(store, s) {}

Variable Attention::forward(const Context& context, const Variable& x) const {
  ops::AttentionRules rules = position_rules(x.value().dtype());
  if (context.training() && model_.dropout > 0) {
    rules.dropout = model_.dropout;
    rules.dropout_key = hash_name("attention", context.dropout_key + static_cast<std::uint64_t>(layer_));
    rules.first_head = projections_.first_head();
    rules.first_sequence = context.first_sequence;
  }
  const AttentionLayer layer{.tape = context.tape,
                             .axes = sequence_axes(context.mesh),
                             .shard = context.sequence.shard,
                             .mask = {.causal = model_.causal, .window = model_.window},
                             .batch = context.batch,
                             .document_starts = context.document_starts,
                             .visibility = context.visibility,
                             .rules = rules};
  return projections_.mix(context, x, [&](const Heads& heads) { return method_->attend(layer, heads.q, heads.kv); });
}

// Rules that depend on the model alone.
ops::AttentionRules Attention::position_rules(Dtype dtype) const {
  ops::AttentionRules rules;
  rules.scale = 1.0 / std::sqrt(static_cast<double>(projections_.head_width()));
  if (model_.positions == "alibi") {
    rules.alibi_slopes =
        local_alibi_slopes(model_.heads, projections_.first_head(), projections_.heads(), accumulation_dtype(dtype));
  }
  return rules;
}

namespace {

// Keys and values of all positions so far, in the first `length` rows.
struct AttentionCache : MixerCache {
  Tensor k, v;  // [B, Hk, max_length, K]
  std::int64_t length = 0;
};

}  // namespace

std::unique_ptr<MixerCache> Attention::make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const {
  auto cache = std::make_unique<AttentionCache>();
  const Shape shape{batch, projections_.kv_heads(), max_length, projections_.head_width()};
  cache->k = Tensor::empty(shape, dtype, Memory::activations, "key cache");
  cache->v = Tensor::empty(shape, dtype, Memory::activations, "value cache");
  return cache;
}

Variable Attention::extend(const Context& context, const Variable& x, MixerCache& base) const {
  auto& cache = dynamic_cast<AttentionCache&>(base);
  const std::int64_t b = x.value().dim(0), n = x.value().dim(1), before = cache.length;
  const Heads heads = projections_.project(context, x);
  ops::write_rows(heads.kv.value().slice(0, b), cache.k, before);
  ops::write_rows(heads.kv.value().slice(b, b), cache.v, before);
  cache.length += n;

  std::vector<std::int32_t> begin, end;
  for (std::int64_t i = 0; i < b * n; ++i) {
    const Range keys = visible({.causal = model_.causal, .window = model_.window}, before + i % n, {0, cache.length});
    begin.push_back(static_cast<std::int32_t>(keys.begin));
    end.push_back(static_cast<std::int32_t>(keys.end));
  }
  ops::AttentionRules rules = position_rules(x.value().dtype());
  rules.query_runs = {{.row = 0, .first = before, .count = n}};
  rules.visible_begin = Indices(begin, {b, n});
  rules.visible_end = Indices(end, {b, n});
  const ops::AttentionState state = ops::make_attention_state(heads.q.value());
  ops::attention_visit(rules, heads.q.value(), cache.k, cache.v, {{.row = 0, .first = 0, .count = cache.length}},
                       state);
  const Variable o(Tensor::empty(heads.q.value().shape(), x.value().dtype()));
  const Tensor lse = Tensor::empty({b, projections_.heads(), n}, accumulation_dtype(x.value().dtype()),
                                   Memory::workspace, "log-sum-exp");
  ops::attention_finish(state, o.value(), lse);
  return projections_.join(context, o);
}

MixerCost Attention::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double kv = static_cast<double>(model_.num_kv_heads() * model_.head_width()),
               q = static_cast<double>(model_.heads * model_.head_width());
  const double past = model_.window > 0 && model_.window < t ? static_cast<double>(model_.window) : (tokens + 1) / 2;
  const double span = model_.causal ? past : std::min(tokens, 2 * past - 1);
  // Projections 2 T D (q + 2 kv) and 2 T q D; scores and output 4 K a head and visible pair.
  return {.forward_flops = 2 * tokens * d * (2 * q + 2 * kv) + 4 * q * tokens * span,
          .activation_elements = d + 3 * q + 2 * kv + static_cast<double>(model_.heads * method_->kept_scores(t)),
          .remade_flops = 2 * tokens * d * (q + 2 * kv)};
}

}  // namespace longspan
