#include "mixers/sequence/circulating_keys.hpp"

#include "mixers/sequence/visiting_blocks.hpp"
#include "ops/block_copy.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

constexpr int kKeysTag = 100, kGradientsTag = 200;  // and the number of the route

// One ring of blocks for each route, which takes its share of the rows.
RowShare share_of(std::size_t route, const std::vector<RingRoute>& routes) {
  return {static_cast<int>(route), static_cast<int>(routes.size())};
}
std::vector<VisitingBlocks> start(const AttentionLayer& layer, const Tensor& kv, const std::vector<RingRoute>& routes) {
  std::vector<VisitingBlocks> visitors;
  visitors.reserve(routes.size());
  for (std::size_t i = 0; i < routes.size(); ++i) {
    visitors.emplace_back(layer, kv, routes[i], kKeysTag + static_cast<int>(i), share_of(i, routes));
  }
  return visitors;
}

// (dK, dV) of the blocks of one route: each rank adds its part to what earlier ranks found and sends the sum on.
class TravellingGradients {
 public:
  TravellingGradients(const AttentionLayer& layer, int tag) : layer_(layer), tag_(tag) {}

  // Before the products of a step: room for this rank's part, and for what comes.
  const Tensor& begin(const VisitingBlocks& visitor) {
    mine_ = empty(visitor, visitor.owner());
    mine_.set_zero();
    if (visitor.step() > 0) receive(visitor, visitor.owner(), visitor.step());
    return mine_;
  }

  // To where the block is next, and home after the last step.
  void send_on(const VisitingBlocks& visitor) {
    if (visitor.step() > 0) {
      received_.wait();
      ops::add_scaled(arriving_, 1.0, mine_);
    }
    sent_.wait();
    leaving_ = mine_;
    const int to = visitor.route().holder(visitor.owner(), visitor.step() + 1);
    if (layer_.size() > 1) sent_ = layer_.axis().send_async(leaving_, to, tag_);
  }

  Tensor come_home(const VisitingBlocks& visitor) {
    if (layer_.size() == 1) return leaving_;
    receive(visitor, layer_.rank(), layer_.size());
    received_.wait();
    sent_.wait();
    return arriving_;
  }

 private:
  // From where `owner`'s block was before `step`; at step S it is this rank's own.
  void receive(const VisitingBlocks& visitor, int owner, int step) {
    arriving_ = empty(visitor, owner);
    received_ = layer_.axis().receive_async(arriving_, visitor.route().holder(owner, step - 1), tag_);
  }
  static Tensor empty(const VisitingBlocks& visitor, int owner) {
    const Dtype sums = accumulation_dtype(visitor.block().dtype());
    return Tensor::empty(visitor.shape(owner), sums, Memory::communication, "visiting gradients");
  }

  const AttentionLayer& layer_;
  int tag_;
  Tensor mine_, arriving_, leaving_;
  Request received_, sent_;
};

}  // namespace

void CirculatingKeys::forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                                     const Tensor& lse) const {
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());
  const ops::AttentionState state = ops::make_attention_state(q);
  std::vector<VisitingBlocks> visitors = start(layer, kv, routes_);
  for (int step = 0; step < layer.size(); ++step) {
    for (const VisitingBlocks& v : visitors) {
      ops::attention_visit(rules, q, keys(v.block()), values(v.block()), v.runs(), state);
    }
    for (VisitingBlocks& v : visitors) v.next();
  }
  ops::attention_finish(state, o, lse);
}

Tensor CirculatingKeys::backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                                        const Tensor& lse, const Tensor& dout, const Tensor& delta,
                                        const Tensor& dq) const {
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());
  std::vector<VisitingBlocks> visitors = start(layer, kv, routes_);
  std::vector<TravellingGradients> gradients;
  for (std::size_t i = 0; i < routes_.size(); ++i) gradients.emplace_back(layer, kGradientsTag + static_cast<int>(i));
  for (int step = 0; step < layer.size(); ++step) {
    std::vector<Tensor> mine;
    for (std::size_t i = 0; i < routes_.size(); ++i) mine.push_back(gradients[i].begin(visitors[i]));
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      const VisitingBlocks& v = visitors[i];
      ops::attention_visit_backward(rules, q, keys(v.block()), values(v.block()), v.runs(), lse, dout, delta, dq,
                                    keys(mine[i]), values(mine[i]));
    }
    for (std::size_t i = 0; i < routes_.size(); ++i) gradients[i].send_on(visitors[i]);
    for (VisitingBlocks& v : visitors) v.next();
  }
  if (routes_.size() == 1) return gradients[0].come_home(visitors[0]);
  const Tensor dkv = Tensor::empty(kv.shape(), accumulation_dtype(kv.dtype()), Memory::communication, "gradient");
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const Range rows = share_of(i, routes_).of(kv.dim(2));
    ops::copy_block(ops::BlockRef(gradients[i].come_home(visitors[i])),
                    ops::BlockRef(dkv).rows(rows.begin, rows.size()));
  }
  return dkv;
}

Traffic CirculatingKeys::traffic(const AttentionSizes& sizes, const MaskRule&, const SequenceShard& shard) const {
  Traffic t;
  std::int64_t key_rows = 0, gradient_rows = 0, messages = 0, gradient_messages = 0;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    for (int step = 0; step < shard.parts() && shard.parts() > 1; ++step) {
      const int owner = routes_[i].owner(shard.part(), step);
      const std::int64_t rows = share_of(i, routes_).of(shard.local_length(owner)).size();
      const auto times = static_cast<std::int64_t>(routes_[i].next_steps(step).size());
      key_rows += times * rows;
      messages += times;
      gradient_rows += rows;
      ++gradient_messages;
    }
  }
  t.forward_bytes = sizes.key_value_token() * key_rows * sizes.element();
  t.backward_bytes = t.forward_bytes + sizes.key_value_token() * gradient_rows * sizes.sum_element();
  t.forward_messages = messages;
  t.backward_messages = messages + gradient_messages;
  return t;
}

}  // namespace longspan
