// Random attention problems, and our operation run on them as any set of ranks would.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "layout/mask.hpp"
#include "ops/attention.hpp"
#include "reference/attention.hpp"
#include "support/compare.hpp"

namespace longspan::testing {

using ops::AttentionRules;
struct Case {
  std::int64_t B = 1, H = 1, Hk = 1, T = 1, K = 16;
  MaskRule mask;
  std::vector<std::vector<std::int64_t>> documents = {};  // starts for each sequence; empty: one document
  bool alibi = false;
  double dropout = 0;
  double logits = 1;  // size of the scores
};

inline reference::Attention make_problem(const Case& c, Dtype dtype) {
  reference::Attention p;
  p.B = c.B, p.H = c.H, p.Hk = c.Hk, p.T = c.T, p.K = c.K;
  p.scale = 1 / std::sqrt(static_cast<double>(c.K));
  p.dropout = c.dropout;
  p.dropout_key = 77;
  if (c.alibi) {
    for (std::int64_t h = 0; h < c.H; ++h) p.slopes.push_back(rounded(std::pow(2.0, -8.0 * (h + 1) / c.H), dtype));
  }
  std::vector<std::int64_t> positions(static_cast<std::size_t>(c.T));
  std::iota(positions.begin(), positions.end(), 0);
  for (std::int64_t b = 0; b < c.B; ++b) {
    auto starts = c.documents.empty() ? std::vector<std::int64_t>{0} : c.documents[b];
    std::erase_if(starts, [&](std::int64_t start) { return start >= c.T; });
    const auto keys = visible_keys(c.mask, positions, starts, c.T);
    p.begin.insert(p.begin.end(), keys.begin.begin(), keys.begin.end());
    p.end.insert(p.end.end(), keys.end.begin(), keys.end.end());
  }
  p.q = random_values(c.B * c.H * c.T * c.K, 1, c.logits);
  p.k = random_values(c.B * c.Hk * c.T * c.K, 2);
  p.v = random_values(c.B * c.Hk * c.T * c.K, 3);
  for (Values* x : {&p.q, &p.k, &p.v}) {
    for (double& value : *x) value = rounded(value, dtype);
  }
  return p;
}

// The rows at `positions` of every sequence and head.
template <class T>
std::vector<T> gather(const std::vector<T>& all, std::int64_t length, std::int64_t width,
                      const std::vector<std::int64_t>& positions) {
  std::vector<T> rows;
  if (length == 0) return rows;
  for (std::size_t first = 0; first < all.size(); first += length * width) {
    for (const auto p : positions) {
      const auto row = all.begin() + static_cast<std::ptrdiff_t>(first) + p * width;
      rows.insert(rows.end(), row, row + width);
    }
  }
  return rows;
}
// The reverse, adding.
inline void scatter_add(const Values& rows, Values& all, std::int64_t length, std::int64_t width,
                        const std::vector<std::int64_t>& positions) {
  std::size_t next = 0;
  for (std::size_t first = 0; first < all.size(); first += length * width) {
    for (const auto p : positions) {
      for (std::int64_t c = 0; c < width; ++c) all[first + p * width + c] += rows[next++];
    }
  }
}

inline AttentionRules rules_of(const reference::Attention& p, const SequenceShard& shard, Dtype dtype) {
  AttentionRules rules;
  rules.scale = p.scale;
  rules.query_runs = shard.runs();
  const Shape rows = {p.B, shard.local_length()};
  rules.visible_begin = Indices(gather(p.begin, p.T, 1, shard.positions()), rows);
  rules.visible_end = Indices(gather(p.end, p.T, 1, shard.positions()), rows);
  if (!p.slopes.empty()) rules.alibi_slopes = to_tensor(p.slopes, {p.H}, accumulation_dtype(dtype));
  rules.dropout = p.dropout;
  rules.dropout_key = p.dropout_key;
  return rules;
}

struct Result {
  Values o, lse, dq, dk, dv;
};

// What the ranks of a sequence axis compute together: each visits every rank's keys, its own first, in ring order.
inline Result run_ranks(const reference::Attention& p, const Values& dout, Dtype dtype, ShardKind kind, int ranks) {
  const Dtype sums = accumulation_dtype(dtype);
  Result all{Values(p.q.size()), Values(p.B * p.H * p.T), Values(p.q.size()), Values(p.k.size()), Values(p.v.size())};
  for (int rank = 0; rank < ranks; ++rank) {
    const SequenceShard shard(kind, p.T, ranks, rank);
    const AttentionRules rules = rules_of(p, shard, dtype);
    const auto rows_of = [&](const Values& x, std::int64_t heads, const std::vector<std::int64_t>& positions) {
      return to_tensor(gather(x, p.T, p.K, positions), {p.B, heads, std::int64_t(positions.size()), p.K}, dtype);
    };
    const Tensor q = rows_of(p.q, p.H, shard.positions()), dout_rows = rows_of(dout, p.H, shard.positions());
    const Shape row_shape = {p.B, p.H, shard.local_length()};
    const Tensor o = Tensor::empty(q.shape(), dtype), lse = Tensor::empty(row_shape, sums),
                 delta = Tensor::empty(row_shape, sums), dq = Tensor::zeros(q.shape(), sums);
    const auto state = ops::make_attention_state(q);
    for (int step = 0; step < ranks; ++step) {
      const auto keys = SequenceShard(kind, p.T, ranks, (rank - step + ranks) % ranks);
      ops::attention_visit(rules, q, rows_of(p.k, p.Hk, keys.positions()), rows_of(p.v, p.Hk, keys.positions()),
                           keys.runs(), state);
    }
    ops::attention_finish(state, o, lse);
    ops::attention_delta(o, dout_rows, delta);
    for (int step = 0; step < ranks; ++step) {
      const auto keys = SequenceShard(kind, p.T, ranks, (rank - step + ranks) % ranks);
      const Tensor k = rows_of(p.k, p.Hk, keys.positions()), v = rows_of(p.v, p.Hk, keys.positions());
      const Tensor dk = Tensor::zeros(k.shape(), sums), dv = Tensor::zeros(k.shape(), sums);
      ops::attention_visit_backward(rules, q, k, v, keys.runs(), lse, dout_rows, delta, dq, dk, dv);
      scatter_add(to_values(dk), all.dk, p.T, p.K, keys.positions());
      scatter_add(to_values(dv), all.dv, p.T, p.K, keys.positions());
    }
    scatter_add(to_values(o), all.o, p.T, p.K, shard.positions());
    scatter_add(to_values(lse), all.lse, p.T, 1, shard.positions());
    scatter_add(to_values(dq), all.dq, p.T, p.K, shard.positions());
  }
  return all;
}

inline Result run_one_rank(const reference::Attention& p, const Values& dout, Dtype dtype) {
  return run_ranks(p, dout, dtype, ShardKind::contiguous, 1);
}

inline Result run_reference(const reference::Attention& p, const Values& dout) {
  const auto out = p.forward();
  const auto grad = p.backward(out, dout);
  return {out.o, out.lse, grad.dq, grad.dk, grad.dv};
}

inline void expect_close(const Result& got, const Result& want, double tolerance) {
  EXPECT_LE(distance(got.o, want.o), tolerance) << "o";
  EXPECT_LE(distance(got.lse, want.lse), tolerance) << "lse";
  EXPECT_LE(distance(got.dq, want.dq), tolerance) << "dq";
  EXPECT_LE(distance(got.dk, want.dk), tolerance) << "dk";
  EXPECT_LE(distance(got.dv, want.dv), tolerance) << "dv";
}

}  // namespace longspan::testing
