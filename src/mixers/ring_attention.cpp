#include "mixers/ring_attention.hpp"

#include "layout/ring_order.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

constexpr int kKeysTag = 1, kGradientsTag = 2;

Tensor keys(const Tensor& kv) { return kv.slice(0, kv.dim(0) / 2); }
Tensor values(const Tensor& kv) { return kv.slice(kv.dim(0) / 2, kv.dim(0) / 2); }

// Blocks of keys and values in the order in which they visit this rank. The next block is received, and the present
// one sent on, while the caller works.
class VisitingBlocks {
 public:
  VisitingBlocks(const Tensor& mine, const SequenceShard& shard, const Comm& axis)
      : block_(mine), shard_(shard), axis_(axis) {
    pass_on();
  }

  int owner() const { return ring_owner(axis_.rank(), step_, axis_.size()); }
  const Tensor& block() const { return block_; }

  // False after the last visit.
  bool next() {
    if (step_ + 1 == axis_.size()) return false;
    receive_.wait();
    send_.wait();
    block_ = next_;
    ++step_;
    pass_on();
    return true;
  }

 private:
  void pass_on() {
    if (step_ + 1 == axis_.size()) return;
    Shape shape = block_.shape();
    shape[2] = shard_.local_length(ring_owner(axis_.rank(), step_ + 1, axis_.size()));
    next_ = Tensor::empty(shape, block_.dtype(), Memory::communication, "visiting keys and values");
    receive_ = axis_.receive_async(next_, ring_previous(axis_.rank(), axis_.size()), kKeysTag);
    send_ = axis_.send_async(block_, ring_next(axis_.rank(), axis_.size()), kKeysTag);
  }

  Tensor block_, next_;
  const SequenceShard& shard_;
  const Comm& axis_;
  Request receive_, send_;
  int step_ = 0;
};

void forward(const ops::AttentionRules& rules, const Tensor& q, const Tensor& kv, const SequenceShard& shard,
             const Comm& axis, const Tensor& o, const Tensor& lse) {
  const ops::AttentionState state = ops::make_attention_state(q);
  VisitingBlocks visitor(kv, shard, axis);
  do {
    ops::attention_visit(rules, q, keys(visitor.block()), values(visitor.block()), shard.runs(visitor.owner()), state);
  } while (visitor.next());
  ops::attention_finish(state, o, lse);
}

// Gradients travel one step behind their block: each rank adds its part and sends them on; after S steps they are home.
void backward(const ops::AttentionRules& rules, const Tensor& q, const Tensor& kv, const SequenceShard& shard,
              const Comm& axis, const Tensor& lse, const Tensor& dout, const Tensor& delta, const Tensor& dq,
              Tensor& dkv) {
  const int next = ring_next(axis.rank(), axis.size()), previous = ring_previous(axis.rank(), axis.size());
  const Dtype accumulation = accumulation_dtype(q.dtype());
  VisitingBlocks visitor(kv, shard, axis);
  Tensor leaving;  // kept until its message is out
  Request send;
  bool more = true;
  for (int step = 0; more; ++step) {
    const Tensor& block = visitor.block();
    const Tensor mine = Tensor::zeros(block.shape(), accumulation, Memory::communication, "visiting gradients");
    Tensor arriving;
    Request receive;
    if (step > 0) {
      arriving = Tensor::empty(block.shape(), accumulation, Memory::communication, "visiting gradients");
      receive = axis.receive_async(arriving, previous, kGradientsTag);
    }
    ops::attention_visit_backward(rules, q, keys(block), values(block), shard.runs(visitor.owner()), lse, dout, delta,
                                  dq, keys(mine), values(mine));
    if (step > 0) {
      receive.wait();
      ops::add_scaled(arriving, 1.0, mine);
      send.wait();
    }
    leaving = mine;
    if (axis.size() > 1) send = axis.send_async(leaving, next, kGradientsTag);
    more = visitor.next();
  }
  dkv = leaving;
  if (axis.size() > 1) {
    dkv = Tensor::empty(kv.shape(), accumulation, Memory::communication, "visiting gradients");
    axis.receive(dkv, previous, kGradientsTag);
    send.wait();
  }
}

// A gradient in the model's dtype.
Tensor rounded(const Tensor& g, Dtype dtype) {
  if (g.dtype() == dtype) return g;
  const Tensor r = Tensor::empty(g.shape(), dtype, Memory::activations, "gradient");
  ops::copy(g, r);
  return r;
}

}  // namespace

Variable ring_attention(Tape& tape, const ops::AttentionRules& rules, const Variable& q, const Variable& kv,
                        const SequenceShard& shard, const Comm& sequence_axis) {
  const Tensor& queries = q.value();
  const Dtype accumulation = accumulation_dtype(queries.dtype());
  const Shape rows{queries.dim(0), queries.dim(1), queries.dim(2)};
  const Variable o(Tensor::empty(queries.shape(), queries.dtype()));
  const Tensor lse = Tensor::empty(rows, accumulation, Memory::activations, "log-sum-exp");
  forward(rules, queries, kv.value(), shard, sequence_axis, o.value(), lse);
  tape.record("ring_attention", [=, &shard, &sequence_axis] {
    const Tensor dout = o.take_gradient();
    const Tensor delta = Tensor::empty(rows, accumulation, Memory::workspace, "attention delta");
    ops::attention_delta(o.value(), dout, delta);
    const Tensor dq = Tensor::zeros(q.value().shape(), accumulation, Memory::activations, "gradient");
    Tensor dkv;
    backward(rules, q.value(), kv.value(), shard, sequence_axis, lse, dout, delta, dq, dkv);
    q.add_gradient(rounded(dq, q.value().dtype()));
    kv.add_gradient(rounded(dkv, kv.value().dtype()));
  });
  return o;
}

}  // namespace longspan
