#include "mixers/sequence/window_edges.hpp"

#include "layout/halo.hpp"
#include "ops/block_copy.hpp"

namespace longspan {
namespace {

constexpr int kEdgesTag = 500, kGradientsTag = 501;

Tensor make_edge(const Tensor& kv, std::int64_t rows, Dtype dtype) {
  return Tensor::empty({kv.dim(0), kv.dim(1), rows, kv.dim(3)}, dtype, Memory::communication, "window edge");
}

// Calls body(block of `rows` packed rows, block of the same rows in the whole) for each range.
template <class Body>
void for_ranges(const std::vector<Range>& ranges, const Tensor& packed, const Tensor& whole, const Body& body) {
  std::int64_t row = 0;
  for (const Range& r : ranges) {
    body(ops::BlockRef(packed).rows(row, r.size()), ops::BlockRef(whole).rows(r.begin, r.size()));
    row += r.size();
  }
}

// Rows that ranks fetch from each other: `from` this rank (r wants them), and `to` this rank (r has them).
struct Edges {
  std::vector<std::vector<Range>> from, to;

  Edges(const MaskRule& mask, const SequenceShard& shard) {
    for (int r = 0; r < shard.parts(); ++r) {
      const bool other = r != shard.part();
      from.push_back(other ? rows_needed(mask, shard, shard.part(), r) : std::vector<Range>{});
      to.push_back(other ? rows_needed(mask, shard, r, shard.part()) : std::vector<Range>{});
    }
  }
};

}  // namespace

AttentionOutput WindowEdges::forward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv) const {
  const Edges edges(layer.mask, layer.shard);
  const int size = layer.size();
  std::vector<Tensor> came(static_cast<std::size_t>(size));  // kept[1 + r]: rows of rank r, undefined if none
  std::vector<Request> received(static_cast<std::size_t>(size)), sent;
  for (int r = 0; r < size; ++r) {
    const auto i = static_cast<std::size_t>(r);
    if (edges.to[i].empty()) continue;
    came[i] = make_edge(kv, count_rows(edges.to[i]), kv.dtype());
    received[i] = layer.axis().receive_async(came[i], r, kEdgesTag);
  }
  for (int r = 0; r < size; ++r) {
    const auto i = static_cast<std::size_t>(r);
    if (edges.from[i].empty()) continue;
    const Tensor packed = make_edge(kv, count_rows(edges.from[i]), kv.dtype());
    for_ranges(edges.from[i], packed, kv,
               [](const ops::BlockRef& part, const ops::BlockRef& whole) { ops::copy_block(whole, part); });
    sent.push_back(layer.axis().send_async(packed, r, kEdgesTag));
  }

  const Dtype sums = accumulation_dtype(q.dtype());
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());
  const ops::AttentionState state = ops::make_attention_state(q);
  ops::attention_visit(rules, q, keys(kv), values(kv), layer.shard.runs(layer.rank()), state);
  for (int r = 0; r < size; ++r) {
    const auto i = static_cast<std::size_t>(r);
    if (!came[i].defined()) continue;
    received[i].wait();
    ops::attention_visit(rules, q, keys(came[i]), values(came[i]), runs_of_rows(layer.shard.runs(r), edges.to[i]),
                         state);
  }
  AttentionOutput output;
  output.o = Tensor::empty(q.shape(), q.dtype(), Memory::activations, "attention output");
  output.kept.push_back(Tensor::empty({q.dim(0), q.dim(1), q.dim(2)}, sums, Memory::activations, "log-sum-exp"));
  output.kept.insert(output.kept.end(), came.begin(), came.end());
  ops::attention_finish(state, output.o, output.kept[0]);
  return output;
}

AttentionGradients WindowEdges::backward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                                         const AttentionOutput& output, const Tensor& dout) const {
  const Edges edges(layer.mask, layer.shard);
  const Dtype sums = accumulation_dtype(q.dtype());
  const Tensor& lse = output.kept[0];
  const Tensor delta = Tensor::empty(lse.shape(), sums, Memory::workspace, "attention delta");
  ops::attention_delta(output.o, dout, delta);
  const AttentionGradients g{Tensor::zeros(q.shape(), sums, Memory::activations, "gradient"),
                             Tensor::zeros(kv.shape(), sums, Memory::activations, "gradient")};
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());

  std::vector<Tensor> coming(edges.from.size());
  std::vector<Request> received(edges.from.size()), sent;
  for (std::size_t r = 0; r < edges.from.size(); ++r) {
    if (edges.from[r].empty()) continue;
    coming[r] = make_edge(kv, count_rows(edges.from[r]), sums);
    received[r] = layer.axis().receive_async(coming[r], static_cast<int>(r), kGradientsTag);
  }
  // The others' rows first, so that their gradients travel while this rank works on its own.
  for (std::size_t r = 0; r < edges.to.size(); ++r) {
    const Tensor& edge = output.kept[1 + r];
    if (!edge.defined()) continue;
    const Tensor dedge = make_edge(kv, edge.dim(2), sums);
    dedge.set_zero();
    ops::attention_visit_backward(rules, q, keys(edge), values(edge),
                                  runs_of_rows(layer.shard.runs(static_cast<int>(r)), edges.to[r]), lse, dout, delta,
                                  g.dq, keys(dedge), values(dedge));
    sent.push_back(layer.axis().send_async(dedge, static_cast<int>(r), kGradientsTag));
  }
  ops::attention_visit_backward(rules, q, keys(kv), values(kv), layer.shard.runs(layer.rank()), lse, dout, delta, g.dq,
                                keys(g.dkv), values(g.dkv));
  for (std::size_t r = 0; r < edges.from.size(); ++r) {
    if (edges.from[r].empty()) continue;
    received[r].wait();
    for_ranges(edges.from[r], coming[r], g.dkv,
               [](const ops::BlockRef& part, const ops::BlockRef& whole) { ops::add_block(part, whole); });
  }
  return g;
}

Traffic WindowEdges::traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const {
  const Edges edges(mask, shard);
  Traffic t;
  for (std::size_t r = 0; r < edges.from.size(); ++r) {
    const std::int64_t from = count_rows(edges.from[r]), to = count_rows(edges.to[r]);
    t.forward_bytes += from * sizes.key_value_token() * sizes.element();
    t.backward_bytes += to * sizes.key_value_token() * sizes.sum_element();
    t.forward_messages += from > 0;
    t.backward_messages += to > 0;
  }
  return t;
}

}  // namespace longspan
