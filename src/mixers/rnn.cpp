#include "mixers/rnn.hpp"

#include <cmath>

#include "autograd/functions/rnn.hpp"
#include "mixers/projections.hpp"
#include "mixers/sequence/exchange_heads.hpp"
#include "nn/contiguous.hpp"

namespace longspan {
namespace {

struct RnnCache : MixerCache {
  Tensor state;  // [states, B, H, K], accumulation dtype
};

// Biases by (head, gate, channel). Forget gates start open: by 1 (Jozefowicz et al. 2015), in slstm by 5 down to -7
// over the channels of a head, in later layers at a higher power of the channel (Beck et al. 2024).
Initializer bias_init(ops::RnnCell cell, const MixerSettings& s) {
  if (cell == ops::RnnCell::lstm || cell == ops::RnnCell::slstm) {
    const std::int64_t gates = ops::cell_sizes(cell).gates, K = s.model.head_width();
    const double depth = s.model.layers > 1 ? s.layer / static_cast<double>(s.model.layers - 1) : 0;
    return Initializer::function([=](std::uint64_t, std::int64_t index) {
      if (index / K % gates != 1) return 0.0;
      if (cell == ops::RnnCell::lstm) return 1.0;
      const double channel = K > 1 ? static_cast<double>(index % K) / static_cast<double>(K - 1) : 0;
      return 5 - 12 * std::pow(channel, 0.3 + 1.3 * depth);
    });
  }
  return Initializer::constant(0);
}

// 1 at the positions before which states are forgotten, int32 [B, positions].
Tensor reset_steps(const Context& context, const Range& positions) {
  std::vector<std::int32_t> resets(static_cast<std::size_t>(context.batch * positions.size()), 0);
  for (std::size_t b = 0; b < context.document_starts.size(); ++b) {
    const std::int64_t row = static_cast<std::int64_t>(b) * positions.size() - positions.begin;
    for (const std::int64_t start : context.document_starts[b]) {
      if (positions.begin <= start && start < positions.end) resets[static_cast<std::size_t>(row + start)] = 1;
    }
  }
  return Tensor::from_host(resets, {context.batch, positions.size()}, Memory::activations, "resets");
}

// Positions of this rank, which holds one run of them or none.
Range positions_of(const SequenceShard& shard) {
  if (shard.runs().empty()) return {};
  const PositionRun& run = shard.runs().front();
  return {run.first, run.first + run.count};
}

// This rank's heads of whole sequences for its rows of all heads.
HeadExchange exchange_of(const Context& context, std::int64_t heads) {
  const Comm& axis = context.mesh.sequence();
  HeadExchange exchange{axis, context.sequence.shard, {}};
  for (int u = 0; u < axis.size(); ++u) exchange.heads.push_back(split(heads, axis.size(), u));
  return exchange;
}

}  // namespace

RnnLayer rnn_layer(ops::RnnCell cell, std::int64_t batch, std::int64_t heads, std::int64_t head_width, Dtype dtype,
                   bool contiguous) {
  const ops::RnnCellSizes sizes = ops::cell_sizes(cell);
  return {.batch = batch,
          .heads = heads,
          .head_width = head_width,
          .inputs = sizes.inputs,
          .recurrent = sizes.recurrent,
          .states = sizes.states,
          .element_bytes = static_cast<std::int64_t>(size_of(dtype)),
          .contiguous = contiguous};
}

Rnn::Rnn(ParameterStore& store, const MixerSettings& s, ops::RnnCell cell)
    : cell_(cell),
      sizes_(ops::cell_sizes(cell)),
      width_(s.model.width),
      heads_(s.model.heads / store.mesh().tensor),
      head_width_(s.model.head_width()),
      input_(store, s.name + ".input", width_, sizes_.inputs * width_, sizes_.inputs * head_width_,
             {s.model.init_deviation, false, s.group}),
      // The variance of a uniform distribution up to 1 / sqrt(K).
      weight_(store.declare({.name = s.name + ".recurrent.weight",
                             .shape = {sizes_.recurrent * width_, head_width_},
                             .shard = {0, sizes_.recurrent * head_width_},
                             .init = Initializer::normal(1 / std::sqrt(3.0 * static_cast<double>(head_width_))),
                             .decay = true,
                             .group = s.group})),
      bias_(store.declare({.name = s.name + ".recurrent.bias",
                           .shape = {sizes_.gates * width_},
                           .shard = {0, sizes_.gates * head_width_},
                           .init = bias_init(cell, s),
                           .group = s.group})),
      norm_(store, s.name + ".norm", head_width_, s.model.norm_epsilon, s.group),
      output_(store, s.name + ".output", width_, width_, head_width_, output_init(s)) {}

Variable Rnn::forward(const Context& context, const Variable& x) const {
  const RnnLayer layer =
      rnn_layer(cell_, context.batch, heads_, head_width_, x.value().dtype(), !context.sequence.contiguous);
  return forward(context, x, choose_rnn_way(layer, context.mesh.sequence().size()));
}

Variable Rnn::forward(const Context& context, const Variable& x, const RnnCrossing& crossing) const {
  if (crossing.way == RnnWay::exchange) return exchanged(context, x);
  return in_contiguous_run(
      context, x, [&](const Context& inner, const Variable& rows) { return relayed(inner, rows, crossing.groups); });
}

Variable Rnn::exchanged(const Context& context, const Variable& x) const {
  Tape& tape = context.tape;
  const Variable inputs = split_heads(tape, input_.forward(context, x), heads_);
  const HeadExchange exchange = exchange_of(context, heads_);
  const bool alone = exchange.group.size() == 1;
  const Variable whole = alone ? inputs : rows_to_heads(tape, exchange, inputs);
  const Range mine = exchange.heads[static_cast<std::size_t>(exchange.group.rank())];
  const Variable h = rnn(tape, cell_, whole, {weight_->variable(), bias_->variable()}, mine,
                         reset_steps(context, {0, whole.value().dim(2)}));
  return finish(context, alone ? h : heads_to_rows(tape, exchange, h));
}

Variable Rnn::relayed(const Context& context, const Variable& x, std::int64_t groups) const {
  const Variable inputs = split_heads(context.tape, input_.forward(context, x), heads_);
  return finish(context,
                rnn(context.tape, cell_, inputs, {weight_->variable(), bias_->variable()}, {0, heads_},
                    reset_steps(context, positions_of(context.sequence.shard)), {&context.mesh.sequence(), groups}));
}

Variable Rnn::finish(const Context& context, const Variable& heads) const {
  return output_.forward(context, norm_.forward(context, merge_heads(context.tape, heads)));
}

std::unique_ptr<MixerCache> Rnn::make_cache(std::int64_t batch, std::int64_t, Dtype dtype) const {
  auto cache = std::make_unique<RnnCache>();
  cache->state = Tensor::zeros({sizes_.states, batch, heads_, head_width_}, accumulation_dtype(dtype),
                               Memory::activations, "recurrent state");
  return cache;
}

Variable Rnn::extend(const Context& context, const Variable& x, MixerCache& cache) const {
  const Variable inputs = split_heads(context.tape, input_.forward(context, x), heads_);
  const Tensor h = extend_rnn(cell_, inputs.value(), {weight_->variable(), bias_->variable()},
                              reset_steps(context, {0, inputs.value().dim(2)}), dynamic_cast<RnnCache&>(cache).state);
  return finish(context, Variable(h));
}

MixerCost Rnn::cost(std::int64_t t) const {
  const auto tokens = static_cast<double>(t), d = static_cast<double>(width_), k = static_cast<double>(head_width_);
  const auto inputs = static_cast<double>(sizes_.inputs), recurrent = static_cast<double>(sizes_.recurrent);
  const auto saved = static_cast<double>(sizes_.gates + sizes_.states);
  return {.forward_flops = 2 * tokens * d * (inputs * d + recurrent * k + d),
          .activation_elements = d * (2 * inputs + saved + 4)};
}

}  // namespace longspan
