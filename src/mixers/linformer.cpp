#include "mixers/linformer.hpp"

#include <cmath>

#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"

namespace longspan {
namespace {

using ops::MatrixRef;

Tensor first_half(const Tensor& x) { return x.slice(0, x.dim(0) / 2); }
Tensor second_half(const Tensor& x) { return x.slice(x.dim(0) / 2, x.dim(0) / 2); }

// x [B, H, n, K] as B H matrices [n, K].
MatrixRef each_head(const Tensor& x) {
  MatrixRef m(x);
  m.rows = x.dim(2);
  m.batch_stride = x.dim(2) * x.dim(3);
  return m;
}
std::int64_t count_heads(const Tensor& x) { return x.dim(0) * x.dim(1); }

Tensor rounded(const Tensor& x, Dtype dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor r = Tensor::empty(x.shape(), dtype);
  ops::copy(x, r);
  return r;
}

// Kbar and Vbar [2 B, Hk, Kp, K] in the accumulation dtype: sums over this rank's positions.
Tensor compress(const Tensor& e, const Tensor& f, const Tensor& kv) {
  const Tensor bars = Tensor::empty({kv.dim(0), kv.dim(1), e.dim(0), kv.dim(3)}, accumulation_dtype(kv.dtype()),
                                    Memory::communication, "compressed keys and values");
  const std::int64_t batch = count_heads(kv) / 2;
  ops::matmul(MatrixRef(e), each_head(first_half(kv)), each_head(first_half(bars)), {.batch = batch});
  ops::matmul(MatrixRef(f), each_head(second_half(kv)), each_head(second_half(bars)), {.batch = batch});
  return bars;
}

// dkv = or += [E^T dKbar, F^T dVbar].
void expand(const Tensor& e, const Tensor& f, const Tensor& dbars, const Tensor& dkv, bool accumulate) {
  const ops::MatmulOptions options{.accumulate = accumulate, .batch = count_heads(dkv) / 2};
  ops::matmul(MatrixRef(e).t(), each_head(first_half(dbars)), each_head(first_half(dkv)), options);
  ops::matmul(MatrixRef(f).t(), each_head(second_half(dbars)), each_head(second_half(dkv)), options);
}

// dw [Kp, T] += sum over sequences and heads of dbar x^T, for x [B, Hk, T, K].
void sum_outer_products(const Tensor& dbar, const Tensor& x, const Tensor& dw) {
  const Tensor from = dbar.reshape({count_heads(dbar), dbar.dim(2), dbar.dim(3)});
  const Tensor rows = x.reshape({count_heads(x), x.dim(2), x.dim(3)});
  for (std::int64_t i = 0; i < from.dim(0); ++i) {
    ops::matmul(MatrixRef(from.slice(i, 1)), MatrixRef(rows.slice(i, 1)).t(), MatrixRef(dw), {.accumulate = true});
  }
}

void require(bool fulfilled, const char* sentence) {
  if (!fulfilled) throw UserError("{}", sentence);
}

}  // namespace

Variable linformer_attention(Tape& tape, ops::AttentionRules rules, const Variable& q, const Variable& kv,
                             const Variable& e, const Variable& f, const Comm& sequence_axis) {
  const Tensor& queries = q.value();
  const Dtype dtype = queries.dtype(), accumulation = accumulation_dtype(dtype);
  const Shape rows{queries.dim(0), queries.dim(1), queries.dim(2)};
  const std::int64_t compressed = e.value().dim(0);
  const std::vector<PositionRun> key_runs = {{.row = 0, .first = 0, .count = compressed}};
  const auto every_query = static_cast<std::size_t>(queries.dim(0) * queries.dim(2));
  const Shape visible{queries.dim(0), queries.dim(2)};
  rules.visible_begin = Indices(std::vector<std::int32_t>(every_query, 0), visible);
  rules.visible_end = Indices(std::vector<std::int32_t>(every_query, static_cast<std::int32_t>(compressed)), visible);

  const Tensor sums = compress(e.value(), f.value(), kv.value());
  sequence_axis.all_reduce(sums);
  const Tensor bars = rounded(sums, dtype);
  const ops::AttentionState state = ops::make_attention_state(queries);
  ops::attention_visit(rules, queries, first_half(bars), second_half(bars), key_runs, state);
  const Variable o(Tensor::empty(queries.shape(), dtype));
  const Tensor lse = Tensor::empty(rows, accumulation, Memory::activations, "log-sum-exp");
  ops::attention_finish(state, o.value(), lse);

  // The weight part needs dKbar and dVbar after the input part.
  const auto dbars = std::make_shared<Tensor>();
  tape.record(
      "linformer_attention",
      [=, &sequence_axis] {
        const Tensor dout = o.take_gradient();
        const Tensor delta = Tensor::empty(rows, accumulation, Memory::workspace, "attention delta");
        ops::attention_delta(o.value(), dout, delta);
        const Tensor dq = Tensor::zeros(q.value().shape(), accumulation, Memory::activations, "gradient");
        const Tensor dsums =
            Tensor::zeros(bars.shape(), accumulation, Memory::communication, "compressed keys and values");
        ops::attention_visit_backward(rules, q.value(), first_half(bars), second_half(bars), key_runs, lse, dout, delta,
                                      dq, first_half(dsums), second_half(dsums));
        sequence_axis.all_reduce(dsums);
        *dbars = rounded(dsums, dtype);
        q.add_gradient(rounded(dq, dtype));
        const auto dkv = kv.gradient_slot();
        expand(e.value(), f.value(), *dbars, dkv.tensor, dkv.accumulate);
      },
      [=] {
        sum_outer_products(first_half(*dbars), first_half(kv.value()), e.gradient());
        sum_outer_products(second_half(*dbars), second_half(kv.value()), f.gradient());
        *dbars = Tensor();
      });
  return o;
}

Linformer::Linformer(ParameterStore& store, const MixerSettings& s)
    : model_(s.model), layer_(s.layer), projections_(store, s) {
  require(!model_.causal,
          "the mixer linformer mixes all positions of a sequence, those to come too; set model.causal = false or use "
          "another mixer");
  require(!s.mask_documents,
          "the mixer linformer mixes all positions of a sequence and cannot keep documents apart; set "
          "data.mask_documents = false or use another mixer");
  require(model_.window == 0, "the mixer linformer has no sliding window; set model.window = 0 or use another mixer");
  require(model_.positions != "alibi",
          "the mixer linformer has no distances between positions, which model.positions = alibi needs; use learned, "
          "rotary or none");
  // Normal with variance 1 / Kp keeps lengths on average (Johnson and Lindenstrauss), as the paper's proof has it.
  const auto declare = [&](const char* name) {
    return store.declare({.name = s.name + name,
                          .shape = {model_.linformer_rank, s.max_length},
                          .shard = ParameterShard::by_position(1, s.shard),
                          .init = Initializer::normal(1 / std::sqrt(static_cast<double>(model_.linformer_rank))),
                          .decay = true,
                          .group = s.group});
  };
  compress_keys_ = declare(".compress_keys");
  compress_values_ = declare(".compress_values");
}

Variable Linformer::forward(const Context& context, const Variable& x) const {
  ops::AttentionRules rules;
  rules.scale = 1.0 / std::sqrt(static_cast<double>(projections_.head_width()));
  rules.query_runs = context.sequence.shard.runs();
  if (context.training() && model_.dropout > 0) {
    rules.dropout = model_.dropout;
    rules.dropout_key = hash_name("linformer", context.dropout_key + static_cast<std::uint64_t>(layer_));
    rules.first_head = projections_.first_head();
    rules.first_sequence = context.first_sequence;
  }
  return projections_.mix(context, x, [&](const Heads& heads) {
    return linformer_attention(context.tape, rules, heads.q, heads.kv, compress_keys_->variable(),
                               compress_values_->variable(), context.mesh.sequence());
  });
}

std::unique_ptr<MixerCache> Linformer::make_cache(std::int64_t, std::int64_t, Dtype) const {
  LONGSPAN_CHECK(false, "[linformer] a bidirectional model does not generate");
}

Variable Linformer::extend(const Context&, const Variable&, MixerCache&) const {
  LONGSPAN_CHECK(false, "[linformer] a bidirectional model does not generate");
}

MixerCost Linformer::cost(std::int64_t t) const {
  const double tokens = static_cast<double>(t), d = static_cast<double>(model_.width);
  const double kv = static_cast<double>(model_.num_kv_heads() * model_.head_width()),
               q = static_cast<double>(model_.heads * model_.head_width());
  const double compressed = static_cast<double>(model_.linformer_rank);
  // Projections 2 T D (2 q + 2 kv); E K and F V 2 Kp T each a column; scores and output 4 K a head, query and row.
  return {
      .forward_flops = 2 * tokens * d * (2 * q + 2 * kv) + 4 * compressed * tokens * kv + 4 * q * tokens * compressed,
      .activation_elements = d + 3 * q + 2 * kv,
      .remade_flops = 2 * tokens * d * (q + 2 * kv)};
}

}  // namespace longspan
