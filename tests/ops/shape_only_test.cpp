// In shape-only execution operations check their arguments, count their workspaces and touch nothing: tensors here are
// larger than any machine's memory.
#include "tensor/shape_only.hpp"

#include <gtest/gtest.h>

#include "layout/mask.hpp"
#include "ops/attention.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/norm.hpp"

namespace longspan::ops {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 24;

std::size_t workspace_peak() { return MemoryPool::instance().use(Memory::workspace).peak; }

TEST(ShapeOnlyOps, ReturnAtOnce) {
  const ShapeOnly scope;
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    const Tensor x = Tensor::empty({kHuge, kHuge / 4}, dtype), w = Tensor::empty({kHuge / 4}, dtype);
    const Tensor rstd = Tensor::empty({kHuge}, accumulation_dtype(dtype));
    fill_normal(x, 1, 1.0, kHuge / 4, 0, {.row = 0, .first = 0, .count = x.dim(-1)});
    add(x, x, x);
    rms_norm_forward(x, w, 1e-5, x, rstd);
    EXPECT_EQ(sum_of_squares({w}), 0);
    const double flops = matmul_flops();
    matmul(MatrixRef(x).t(), MatrixRef(x), MatrixRef(Tensor::empty({kHuge / 4, kHuge / 4}, dtype)));
    EXPECT_EQ(matmul_flops(), flops);
  }
}

TEST(ShapeOnlyOps, StillCheckShapes) {
  const ShapeOnly scope;
  const Tensor a = Tensor::empty({4, 3}, Dtype::float32), b = Tensor::empty({4, 3}, Dtype::float32);
  EXPECT_THROW(matmul(MatrixRef(a), MatrixRef(b), MatrixRef(a)), std::logic_error);
  EXPECT_THROW(add(a, b, Tensor::empty({3, 4}, Dtype::float32)), std::logic_error);
}

// One visit of B sequences of n positions in H heads; the largest workspace that it takes.
std::size_t attention_workspace(Dtype dtype, std::int64_t batch, std::int64_t heads, std::int64_t n) {
  MemoryPool& pool = MemoryPool::instance();
  const Tensor q = Tensor::zeros({batch, heads, n, 8}, dtype), k = Tensor::zeros({batch, 1, n, 8}, dtype);
  const SequenceShard shard(ShardKind::contiguous, n, 1, 0);
  const VisibleKeys keys = visible_keys({}, shard.positions(), {0}, n);
  std::vector<std::int32_t> begin, end;
  for (std::int64_t b = 0; b < batch; ++b) {
    begin.insert(begin.end(), keys.begin.begin(), keys.begin.end());
    end.insert(end.end(), keys.end.begin(), keys.end.end());
  }
  AttentionRules rules;
  rules.query_runs = shard.runs();
  rules.visible_begin = Indices(begin, {batch, n});
  rules.visible_end = Indices(end, {batch, n});
  const Tensor lse = Tensor::empty({batch, heads, n}, accumulation_dtype(dtype));
  const Tensor dq = Tensor::zeros(q.shape(), accumulation_dtype(dtype)),
               dkv = Tensor::zeros(k.shape(), accumulation_dtype(dtype));
  pool.reset_peak();
  {
    const AttentionState state = make_attention_state(q);
    attention_visit(rules, q, k, k, shard.runs(), state);
    attention_finish(state, q, lse);
  }
  attention_visit_backward(rules, q, k, k, shard.runs(), lse, q, lse, dq, dkv, dkv);
  return workspace_peak() - pool.use(Memory::workspace).current;
}

TEST(ShapeOnlyOps, AttentionTakesTheSameWorkspace) {
  for (const Dtype dtype : {Dtype::float64, Dtype::float32, Dtype::bfloat16}) {
    for (const std::int64_t n : {1, 100, 129, 300, 641}) {
      const std::size_t real = attention_workspace(dtype, 3, 2, n);
      const ShapeOnly scope;
      EXPECT_EQ(attention_workspace(dtype, 3, 2, n), real) << to_string(dtype) << " " << n;
    }
  }
}

}  // namespace
}  // namespace longspan::ops
