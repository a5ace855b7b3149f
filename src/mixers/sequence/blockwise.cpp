#include "mixers/sequence/blockwise.hpp"

namespace longspan {
namespace {

Shape rows_of(const Tensor& q) { return {q.dim(0), q.dim(1), q.dim(2)}; }

}  // namespace

AttentionOutput BlockwiseMethod::forward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv) const {
  const Tensor o = Tensor::empty(q.shape(), q.dtype(), Memory::activations, "attention output");
  const Tensor lse = Tensor::empty(rows_of(q), accumulation_dtype(q.dtype()), Memory::activations, "log-sum-exp");
  forward_blocks(layer, q, kv, o, lse);
  return {o, {lse}};
}

AttentionGradients BlockwiseMethod::backward(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                                             const AttentionOutput& output, const Tensor& dout) const {
  const Dtype sums = accumulation_dtype(q.dtype());
  const Tensor delta = Tensor::empty(rows_of(q), sums, Memory::workspace, "attention delta");
  ops::attention_delta(output.o, dout, delta);
  const Tensor dq = Tensor::zeros(q.shape(), sums, Memory::activations, "gradient");
  const Tensor dkv = backward_blocks(layer, q, kv, output.kept[0], dout, delta, dq);
  return {dq, dkv};
}

}  // namespace longspan
