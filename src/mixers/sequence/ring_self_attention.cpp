#include "mixers/sequence/ring_self_attention.hpp"

#include "layout/volume.hpp"
#include "mixers/sequence/gradient_sums.hpp"
#include "mixers/sequence/visiting_blocks.hpp"
#include "ops/elementwise.hpp"
#include "ops/score_rows.hpp"

namespace longspan {
namespace {

constexpr int kKeysTag = 500, kValuesTag = 501, kKeyGradientsTag = 502, kValueGradientsTag = 503;

// Columns of the score rows: the keys of rank 0, of rank 1, ...
class Columns {
 public:
  explicit Columns(const SequenceShard& shard) {
    std::vector<std::int32_t> at;
    for (int owner = 0; owner < shard.parts(); ++owner) {
      of_.push_back({static_cast<std::int64_t>(at.size()), shard.runs(owner)});
      for (const std::int64_t p : shard.of_part(owner).positions()) at.push_back(static_cast<std::int32_t>(p));
    }
    positions_ = Tensor::from_host(at, {shard.global_length()}, Memory::workspace, "key positions");
  }

  const ops::KeyColumns& of(int owner) const { return of_[static_cast<std::size_t>(owner)]; }
  const Tensor& positions() const { return positions_; }

 private:
  std::vector<ops::KeyColumns> of_;
  Tensor positions_;
};

// Score rows [B, H, n, T] for queries q.
Tensor empty_rows(const Tensor& q, const AttentionLayer& layer, Dtype dtype, Memory category, const char* label) {
  return Tensor::empty({q.dim(0), q.dim(1), q.dim(2), layer.shard.global_length()}, dtype, category, label);
}

// Where weights are written that are made from `rows`: in place where the dtypes agree.
Tensor rounded_rows(const Tensor& rows, Dtype dtype, Memory category, const char* label) {
  return rows.dtype() == dtype ? rows : Tensor::empty(rows.shape(), dtype, category, label);
}

// P with dropout.
Tensor dropped(const ops::AttentionRules& rules, const Columns& columns, const Tensor& p) {
  if (rules.dropout == 0) return p;
  const Tensor pz = Tensor::empty(p.shape(), p.dtype(), Memory::workspace, "attention weights after dropout");
  ops::drop_row_weights(rules, columns.positions(), p, pz);
  return pz;
}

VisitingBlocks visiting(const AttentionLayer& layer, const Tensor& mine, int tag) {
  return {layer, mine, RingRoute::up(layer.size()), tag};
}

// P: a round of the keys, then softmax within the rows.
Tensor attention_weights(const AttentionLayer& layer, const ops::AttentionRules& rules, const Columns& columns,
                         const Tensor& q, const Tensor& k) {
  const Tensor scores = empty_rows(q, layer, accumulation_dtype(q.dtype()), Memory::activations, "attention scores");
  for (VisitingBlocks visitor = visiting(layer, k, kKeysTag); visitor.step() < layer.size(); visitor.next()) {
    ops::multiply_to_rows(rules, q, visitor.block(), columns.of(visitor.owner()), scores);
  }
  const Tensor p = rounded_rows(scores, q.dtype(), Memory::activations, "attention weights");
  ops::softmax_rows(rules, columns.positions(), scores, p);
  return p;
}

std::unique_ptr<GradientSums> start_sums(GradientSummation summation, const AttentionLayer& layer, const Tensor& mine,
                                         const PartialGradient& partial, int tag) {
  if (summation == GradientSummation::all_reduce) return std::make_unique<AllReducedGradients>(layer, mine, partial);
  return std::make_unique<TravellingSums>(layer, mine, partial, tag);
}

}  // namespace

AttentionOutput RingSelfAttention::forward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv) const {
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());
  const Columns columns(layer.shard);
  VisitingBlocks v = visiting(layer, values(kv), kValuesTag);
  const Tensor p = attention_weights(layer, rules, columns, q, keys(kv));
  const Tensor pz = dropped(rules, columns, p);
  const Tensor sum = Tensor::zeros(q.shape(), accumulation_dtype(q.dtype()), Memory::activations, "attention output");
  for (; v.step() < layer.size(); v.next()) {
    ops::add_rows_times_keys(rules, pz, v.block(), columns.of(v.owner()), sum);
  }
  const Tensor o = rounded_rows(sum, q.dtype(), Memory::activations, "attention output");
  if (o.dtype() != sum.dtype()) ops::copy(sum, o);
  return {o, {p}};
}

AttentionGradients RingSelfAttention::backward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                                               const AttentionOutput& output, const Tensor& dout) const {
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());
  const Columns columns(layer.shard);
  const Dtype sums = accumulation_dtype(q.dtype());
  const Tensor& p = output.kept[0];
  const Tensor dkv = Tensor::empty(kv.shape(), sums, Memory::activations, "gradient");

  const Tensor dp = empty_rows(q, layer, sums, Memory::workspace, "attention weight gradients");
  VisitingBlocks v = visiting(layer, values(kv), kValuesTag);
  const auto dv = start_sums(
      summation_, layer, values(dkv),
      [&, pz = dropped(rules, columns, p)](int owner, const Tensor& sum) {
        ops::add_rows_times_queries(rules, pz, dout, columns.of(owner), sum);
      },
      kValueGradientsTag);
  for (; v.step() < layer.size(); v.next()) {
    ops::multiply_to_rows(rules, dout, v.block(), columns.of(v.owner()), dp);
    dv->at_step(v.step());
  }

  VisitingBlocks k = visiting(layer, keys(kv), kKeysTag);
  const Tensor ds = rounded_rows(dp, q.dtype(), Memory::workspace, "attention score gradients");
  ops::softmax_rows_backward(rules, columns.positions(), p, dp, ds);
  const auto dk = start_sums(
      summation_, layer, keys(dkv),
      [&](int owner, const Tensor& sum) { ops::add_rows_times_queries(rules, ds, q, columns.of(owner), sum); },
      kKeyGradientsTag);
  const Tensor dq = Tensor::zeros(q.shape(), sums, Memory::activations, "gradient");
  for (; k.step() < layer.size(); k.next()) {
    ops::add_rows_times_keys(rules, ds, k.block(), columns.of(k.owner()), dq);
    dk->at_step(k.step());
  }
  dv->come_home(values(dkv));
  dk->come_home(keys(dkv));
  return {dq, dkv};
}

Traffic RingSelfAttention::traffic(const AttentionSizes& sizes, const MaskRule&, const SequenceShard& shard) const {
  Traffic t;
  const int ranks = shard.parts();
  if (ranks == 1) return t;
  const std::int64_t length = shard.global_length(), hops = 2 * (ranks - 1);
  const std::int64_t next_rows = shard.local_length(wrap(shard.part() + 1, ranks));
  t.forward_bytes = sizes.key_value_token() * (length - next_rows) * sizes.element();
  t.forward_messages = hops;
  if (summation_ == GradientSummation::all_reduce) {
    const std::int64_t all_rows = sizes.key_value_token() / 2 * length * sizes.sum_element();
    t.backward_bytes = t.forward_bytes + 2 * all_reduce_volume(all_rows, ranks);
    t.backward_messages = hops + 2;
  } else {
    const std::int64_t others = sizes.key_value_token() * (length - shard.local_length());
    t.backward_bytes = t.forward_bytes + others * sizes.sum_element();
    t.backward_messages = 2 * hops;
  }
  return t;
}

}  // namespace longspan
