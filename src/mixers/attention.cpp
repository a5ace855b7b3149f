#include "mixers/attention.hpp"

#include <cmath>

#include "autograd/functions/tensor_axis.hpp"
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

// x [B, T, H*K] -> heads; dx is written straight into the projection's gradient.
void record_split(Tape& tape, const Variable& x, const Variable& heads, const ops::RotaryTable& rotary) {
  tape.record("split_heads", [=] {
    const Tensor dheads = heads.take_gradient();
    const auto dx = x.gradient_slot();
    ops::merge_heads(dheads, rotary, dx.tensor, dx.accumulate);
  });
}

SequenceAxes sequence_axes(const Mesh& mesh) {
  return {mesh.sequence(), mesh.sequence_inner(), mesh.sequence_outer(), mesh.self()};
}

}  // namespace

struct Attention::Heads {
  Variable q, kv;
};

Attention::Attention(ParameterStore& store, const MixerSettings& s)
    : model_(s.model),
      method_(make_sequence_method(s.sequence_method, store.mesh().sequence, s.sequence_inner)),
      layer_(s.layer),
      heads_(s.model.heads / store.mesh().tensor),
      kv_heads_(s.model.num_kv_heads() / store.mesh().tensor),
      head_width_(s.model.head_width()),
      first_head_(heads_ * store.at().tensor),
      query_(store, s.name + ".query", s.model.width, s.model.heads * head_width_, head_width_,
             {s.model.init_deviation, s.model.bias, s.group}),
      key_(store, s.name + ".key", s.model.width, s.model.num_kv_heads() * head_width_, head_width_,
           {s.model.init_deviation, s.model.bias, s.group}),
      value_(store, s.name + ".value", s.model.width, s.model.num_kv_heads() * head_width_, head_width_,
             {s.model.init_deviation, s.model.bias, s.group}),
      output_(store, s.name + ".output", s.model.heads * head_width_, s.model.width, head_width_,
              {s.model.init_deviation / std::sqrt(2.0 * static_cast<double>(s.model.layers)), s.model.bias, s.group}) {}

Attention::Heads Attention::project(const Context& context, const Variable& x) const {
  Tape& tape = context.tape;
  const std::int64_t b = x.value().dim(0), t = x.value().dim(1);
  const Dtype dtype = x.value().dtype();
  const ops::RotaryTable& rotary = context.sequence.rotary;
  const Variable xq = query_.forward(context, x), xk = key_.forward(context, x), xv = value_.forward(context, x);
  const Variable q(Tensor::empty({b, heads_, t, head_width_}, dtype));
  const Variable kv(Tensor::empty({2 * b, kv_heads_, t, head_width_}, dtype));
  ops::split_heads(xq.value(), rotary, q.value());
  ops::split_heads(xk.value(), rotary, kv.value().slice(0, b));
  ops::split_heads(xv.value(), {}, kv.value().slice(b, b));
  record_split(tape, xq, q, rotary);
  tape.record("split_heads", [=] {
    const Tensor dkv = kv.take_gradient();
    const auto dk = xk.gradient_slot(), dv = xv.gradient_slot();
    ops::merge_heads(dkv.slice(0, b), rotary, dk.tensor, dk.accumulate);
    ops::merge_heads(dkv.slice(b, b), {}, dv.tensor, dv.accumulate);
  });
  return {q, kv};
}

Variable Attention::forward(const Context& context, const Variable& x) const {
  Tape& tape = context.tape;
  const Comm& tensor_axis = context.mesh.tensor();
  const Variable input = enter_tensor_region(tape, x, tensor_axis);
  const Heads heads = project(context, input);

  ops::AttentionRules rules = position_rules(x.value().dtype());
  if (context.training() && model_.dropout > 0) {
    rules.dropout = model_.dropout;
    rules.dropout_key = hash_name("attention", context.dropout_key + static_cast<std::uint64_t>(layer_));
    rules.first_head = first_head_;
    rules.first_sequence = context.first_sequence;
  }
  const AttentionLayer layer{.tape = tape,
                             .axes = sequence_axes(context.mesh),
                             .shard = context.sequence.shard,
                             .mask = {.causal = true, .window = model_.window},
                             .batch = context.batch,
                             .document_starts = context.document_starts,
                             .visibility = context.visibility,
                             .rules = rules};
  return join(context, method_->attend(layer, heads.q, heads.kv));
}

// Heads back to rows, and the output projection.
Variable Attention::join(const Context& context, const Variable& o) const {
  const Tensor& heads = o.value();
  const Variable merged(Tensor::empty({heads.dim(0), heads.dim(2), heads_ * head_width_}, heads.dtype()));
  ops::merge_heads(heads, {}, merged.value());
  context.tape.record("merge_heads", [=] {
    const Tensor dmerged = merged.take_gradient();
    const Tensor dheads = Tensor::empty(o.value().shape(), o.value().dtype(), Memory::activations, "gradient");
    ops::split_heads(dmerged, {}, dheads);
    o.add_gradient(dheads);
  });
  return output_.forward(context, merged);
}

// Rules that depend on the model alone.
ops::AttentionRules Attention::position_rules(Dtype dtype) const {
  ops::AttentionRules rules;
  rules.scale = 1.0 / std::sqrt(static_cast<double>(head_width_));
  if (model_.positions == "alibi") {
    rules.alibi_slopes = local_alibi_slopes(model_.heads, first_head_, heads_, accumulation_dtype(dtype));
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
  const Shape shape{batch, kv_heads_, max_length, head_width_};
  cache->k = Tensor::empty(shape, dtype, Memory::activations, "key cache");
  cache->v = Tensor::empty(shape, dtype, Memory::activations, "value cache");
  return cache;
}

Variable Attention::extend(const Context& context, const Variable& x, MixerCache& base) const {
  auto& cache = dynamic_cast<AttentionCache&>(base);
  const std::int64_t b = x.value().dim(0), n = x.value().dim(1), before = cache.length;
  const Heads heads = project(context, x);
  ops::write_rows(heads.kv.value().slice(0, b), cache.k, before);
  ops::write_rows(heads.kv.value().slice(b, b), cache.v, before);
  cache.length += n;

  std::vector<std::int32_t> begin, end;
  for (std::int64_t i = 0; i < b * n; ++i) {
    const Range keys = visible({.causal = true, .window = model_.window}, before + i % n, {0, cache.length});
    begin.push_back(static_cast<std::int32_t>(keys.begin));
    end.push_back(static_cast<std::int32_t>(keys.end));
  }
  ops::AttentionRules rules = position_rules(x.value().dtype());
  rules.query_runs = {{.row = 0, .first = before, .count = n}};
  rules.visible_begin = Tensor::from_host(begin, {b, n});
  rules.visible_end = Tensor::from_host(end, {b, n});
  const ops::AttentionState state = ops::make_attention_state(heads.q.value());
  ops::attention_visit(rules, heads.q.value(), cache.k, cache.v, {{.row = 0, .first = 0, .count = cache.length}},
                       state);
  const Variable o(Tensor::empty(heads.q.value().shape(), x.value().dtype()));
  const Tensor lse =
      Tensor::empty({b, heads_, n}, accumulation_dtype(x.value().dtype()), Memory::workspace, "log-sum-exp");
  ops::attention_finish(state, o.value(), lse);
  return join(context, o);
}

MixerCost Attention::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double kv = static_cast<double>(model_.num_kv_heads() * head_width_),
               q = static_cast<double>(model_.heads * head_width_);
  const double span = model_.window > 0 && model_.window < t ? static_cast<double>(model_.window) : (tokens + 1) / 2;
  // Projections 2 T D (q + 2 kv) and 2 T q D; scores and output 4 K a head and visible pair.
  return {.forward_flops = 2 * tokens * d * (2 * q + 2 * kv) + 4 * q * tokens * span,
          .activation_elements = d + 3 * q + 2 * kv};
}

}  // namespace longspan
