#include "mixers/sequence/circulating_keys.hpp"

#include <map>

#include "ops/block_copy.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

constexpr int kKeysTag = 100, kGradientsTag = 200;  // and the number of the route

// Which rows of a block take route `route` of `routes`.
Range rows_on_route(std::int64_t rows, std::size_t route, std::size_t routes) {
  return split(rows, static_cast<std::int64_t>(routes), static_cast<std::int64_t>(route));
}

Tensor rows_of(const Tensor& kv, const Range& rows) {
  if (rows.size() == kv.dim(2)) return kv;
  const Tensor part = Tensor::empty({kv.dim(0), kv.dim(1), rows.size(), kv.dim(3)}, kv.dtype(), Memory::communication,
                                    "keys and values");
  ops::copy_block(ops::BlockRef(kv).rows(rows.begin, rows.size()), ops::BlockRef(part));
  return part;
}

// The blocks of one route in the order in which they visit this rank. What comes next is received, and the present
// block sent on, while the caller works.
class Visitors {
 public:
  Visitors(const AttentionLayer& layer, const Tensor& kv, const RingRoute& route, std::size_t index, std::size_t routes)
      : layer_(layer), route_(route), index_(index), routes_(routes) {
    block_ = rows_of(kv, rows_on_route(kv.dim(2), index, routes));
    exchange();
  }

  int owner() const { return route_.owner(layer_.rank(), step_); }
  const Tensor& block() const { return block_; }
  std::vector<PositionRun> runs() const { return slice_runs(layer_.shard.runs(owner()), rows(owner())); }
  int step() const { return step_; }

  void next() {
    ++step_;
    if (step_ == route_.size()) return;
    sent_.erase(step_);  // waits: a block must have left by the step that it is sent for
    Coming coming = std::move(coming_.at(step_));
    coming_.erase(step_);
    coming.received.wait();
    block_ = coming.block;
    exchange();
  }

  // Gradients of the block at hand go where the block is next, and home after the last step.
  int gradients_to() const { return route_.holder(owner(), step_ + 1); }
  // Those of the block at hand come from where it was before; at step S they are this rank's own and come home.
  int gradients_from(int step) const { return route_.holder(route_.owner(layer_.rank(), step), step - 1); }
  int gradients_tag() const { return kGradientsTag + static_cast<int>(index_); }
  Tensor empty_gradients(int owner) const {
    return Tensor::empty(shape(owner), accumulation_dtype(block_.dtype()), Memory::communication, "visiting gradients");
  }

 private:
  struct Coming {
    Tensor block;
    Request received;
  };

  Range rows(int owner) const { return rows_on_route(layer_.shard.local_length(owner), index_, routes_); }
  Shape shape(int owner) const { return {block_.dim(0), block_.dim(1), rows(owner).size(), block_.dim(3)}; }

  void exchange() {
    const int tag = kKeysTag + static_cast<int>(index_), me = layer_.rank();
    for (const int step : route_.next_steps(step_)) {
      const int coming = route_.owner(me, step);
      const Tensor block =
          Tensor::empty(shape(coming), block_.dtype(), Memory::communication, "visiting keys and values");
      coming_[step] = {block, layer_.axis().receive_async(block, route_.holder(coming, step_), tag)};
    }
    for (const int step : route_.next_steps(step_)) {
      sent_[step] = layer_.axis().send_async(block_, route_.holder(owner(), step), tag);
    }
  }

  const AttentionLayer& layer_;
  RingRoute route_;
  std::size_t index_, routes_;
  Tensor block_;
  int step_ = 0;
  std::map<int, Coming> coming_;
  std::map<int, Request> sent_;
};

std::vector<Visitors> start(const AttentionLayer& layer, const Tensor& kv, const std::vector<RingRoute>& routes) {
  std::vector<Visitors> visitors;
  visitors.reserve(routes.size());
  for (std::size_t i = 0; i < routes.size(); ++i) visitors.emplace_back(layer, kv, routes[i], i, routes.size());
  return visitors;
}

// (dK, dV) of the blocks of one route: each rank adds its part to what earlier ranks found and sends the sum on.
class TravellingGradients {
 public:
  explicit TravellingGradients(const AttentionLayer& layer) : layer_(layer) {}

  // Before the products of a step: room for this rank's part, and for what comes.
  const Tensor& begin(const Visitors& visitor) {
    mine_ = visitor.empty_gradients(visitor.owner());
    mine_.set_zero();
    if (visitor.step() > 0) receive(visitor, visitor.owner(), visitor.step());
    return mine_;
  }

  void send_on(const Visitors& visitor) {
    if (visitor.step() > 0) {
      received_.wait();
      ops::add_scaled(arriving_, 1.0, mine_);
    }
    sent_.wait();
    leaving_ = mine_;
    if (layer_.size() > 1) sent_ = layer_.axis().send_async(leaving_, visitor.gradients_to(), visitor.gradients_tag());
  }

  Tensor come_home(const Visitors& visitor) {
    if (layer_.size() == 1) return leaving_;
    receive(visitor, layer_.rank(), layer_.size());
    received_.wait();
    sent_.wait();
    return arriving_;
  }

 private:
  void receive(const Visitors& visitor, int owner, int step) {
    arriving_ = visitor.empty_gradients(owner);
    received_ = layer_.axis().receive_async(arriving_, visitor.gradients_from(step), visitor.gradients_tag());
  }

  const AttentionLayer& layer_;
  Tensor mine_, arriving_, leaving_;
  Request received_, sent_;
};

}  // namespace

void CirculatingKeys::forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                                     const Tensor& lse) const {
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());
  const ops::AttentionState state = ops::make_attention_state(q);
  std::vector<Visitors> visitors = start(layer, kv, routes_);
  for (int step = 0; step < layer.size(); ++step) {
    for (const Visitors& v : visitors) {
      ops::attention_visit(rules, q, keys(v.block()), values(v.block()), v.runs(), state);
    }
    for (Visitors& v : visitors) v.next();
  }
  ops::attention_finish(state, o, lse);
}

Tensor CirculatingKeys::backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv,
                                        const Tensor& lse, const Tensor& dout, const Tensor& delta,
                                        const Tensor& dq) const {
  const ops::AttentionRules rules = layer.rules_for_part(layer.rank());
  std::vector<Visitors> visitors = start(layer, kv, routes_);
  std::vector<TravellingGradients> gradients;
  for (std::size_t i = 0; i < routes_.size(); ++i) gradients.emplace_back(layer);
  for (int step = 0; step < layer.size(); ++step) {
    std::vector<Tensor> mine;
    for (std::size_t i = 0; i < routes_.size(); ++i) mine.push_back(gradients[i].begin(visitors[i]));
    for (std::size_t i = 0; i < routes_.size(); ++i) {
      const Visitors& v = visitors[i];
      ops::attention_visit_backward(rules, q, keys(v.block()), values(v.block()), v.runs(), lse, dout, delta, dq,
                                    keys(mine[i]), values(mine[i]));
    }
    for (std::size_t i = 0; i < routes_.size(); ++i) gradients[i].send_on(visitors[i]);
    for (Visitors& v : visitors) v.next();
  }
  if (routes_.size() == 1) return gradients[0].come_home(visitors[0]);
  const Tensor dkv = Tensor::empty(kv.shape(), accumulation_dtype(kv.dtype()), Memory::communication, "gradient");
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const Range rows = rows_on_route(kv.dim(2), i, routes_.size());
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
      const std::int64_t rows = rows_on_route(shard.local_length(owner), i, routes_.size()).size();
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
