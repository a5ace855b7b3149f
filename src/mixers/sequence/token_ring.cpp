#include "mixers/sequence/token_ring.hpp"

#include "layout/travelling_queries.hpp"
#include "layout/visible_pairs.hpp"
#include "ops/block_copy.hpp"

namespace longspan {
namespace {

constexpr int kQueriesTag = 300, kResultsTag = 400;

// [B, H, n] as [B, H, n, 1].
Tensor as_block(const Tensor& rows) { return rows.reshape({rows.dim(0), rows.dim(1), rows.dim(2), 1}); }
Tensor as_rows(const Tensor& block) { return block.reshape({block.dim(0), block.dim(1), block.dim(2)}); }

// Rows [first, n) of each tensor [A, H, n, C].
std::vector<Tensor> rows_from(const std::vector<Tensor>& block, std::int64_t first) {
  if (first == 0) return block;
  std::vector<Tensor> rows;
  for (const Tensor& t : block) {
    const std::int64_t count = t.dim(2) - first;
    rows.push_back(Tensor::empty({t.dim(0), t.dim(1), count, t.dim(3)}, t.dtype(), Memory::communication, "queries"));
    ops::copy_block(ops::BlockRef(t).rows(first, count), ops::BlockRef(rows.back()));
  }
  return rows;
}

// What belongs to the query rows of one rank, as it passes by: its queries and, in the backward, their gradients and
// statistics. The next rank's rows are received, and the present ones sent on, while the caller works.
class PassingQueries {
 public:
  PassingQueries(const AttentionLayer& layer, const TravellingQueries& plan, const std::vector<Tensor>& mine)
      : layer_(layer), plan_(plan), block_(mine) {
    exchange();
  }

  int owner() const { return plan_.route().owner(layer_.rank(), step_); }
  int step() const { return step_; }
  // The first of the owner's rows that sees a key of this rank, and the rows from there on; empty: none does.
  std::int64_t first_row() const { return plan_.first_row(owner(), layer_.rank()); }
  std::vector<Tensor> working_rows() const { return rows_from(block_, first_row() - first_); }
  bool idle() const { return plan_.working_rows(owner(), layer_.rank()) == 0; }

  void next() {
    for (Request& r : received_) r.wait();
    for (Request& r : sent_) r.wait();
    received_.clear();
    sent_.clear();
    block_ = next_;
    ++step_;
    first_ = plan_.first_travelling_row(owner(), step_);
    exchange();
  }

 private:
  void exchange() {
    const int step = step_ + 1;
    if (step >= layer_.size()) return;
    const int coming = plan_.route().owner(layer_.rank(), step);
    next_.clear();
    for (std::size_t i = 0; i < block_.size(); ++i) {
      const Tensor& like = block_[i];
      const Shape shape{like.dim(0), like.dim(1), plan_.travelling_rows(coming, step), like.dim(3)};
      next_.push_back(Tensor::empty(shape, like.dtype(), Memory::communication, "queries"));
      if (shape.size() == 0) continue;
      received_.push_back(layer_.axis().receive_async(next_[i], plan_.route().holder(coming, step_),
                                                      kQueriesTag + static_cast<int>(i)));
    }
    if (plan_.travelling_rows(owner(), step) == 0) return;
    const std::vector<Tensor> leaving = rows_from(block_, plan_.first_travelling_row(owner(), step) - first_);
    for (std::size_t i = 0; i < leaving.size(); ++i) {
      sent_.push_back(
          layer_.axis().send_async(leaving[i], plan_.route().holder(owner(), step), kQueriesTag + static_cast<int>(i)));
    }
  }

  const AttentionLayer& layer_;
  const TravellingQueries& plan_;
  std::vector<Tensor> block_, next_;
  std::int64_t first_ = 0;  // of the owner's rows, where block_ begins
  int step_ = 0;
  std::vector<Request> received_, sent_;
};

// Results on their way: those that this rank found for others, and those that others found for its own rows.
class ReturningResults {
 public:
  // A result's tensors for n rows.
  using Make = std::function<std::vector<Tensor>(std::int64_t n)>;
  using Take = std::function<void(const std::vector<Tensor>& result, std::int64_t first_row)>;
  ReturningResults(const AttentionLayer& layer, const TravellingQueries& plan, Make make, Take take)
      : layer_(layer), plan_(plan), make_(std::move(make)), take_(std::move(take)) {}

  // After the products of a step: sends what was found for the passing rows, starts to receive what the rank at the
  // same distance found for this rank's, and takes in what came of the step before.
  void exchange(const PassingQueries& passing, const std::vector<Tensor>& found) {
    std::vector<Request> sent;
    for (std::size_t i = 0; i < found.size(); ++i) {
      sent.push_back(layer_.axis().send_async(found[i], passing.owner(), kResultsTag + static_cast<int>(i)));
    }
    const int holder = plan_.route().holder(layer_.rank(), passing.step());
    std::vector<Tensor> coming;
    std::vector<Request> received;
    if (plan_.working_rows(layer_.rank(), holder) > 0) {
      coming = make_(plan_.working_rows(layer_.rank(), holder));
      for (std::size_t i = 0; i < coming.size(); ++i) {
        received.push_back(layer_.axis().receive_async(coming[i], holder, kResultsTag + static_cast<int>(i)));
      }
    }
    take_in();
    sent_ = std::move(sent);
    received_ = std::move(received);
    coming_ = std::move(coming);
    first_row_ = plan_.first_row(layer_.rank(), holder);
  }

  void take_in() {
    for (Request& r : received_) r.wait();
    for (Request& r : sent_) r.wait();
    if (!coming_.empty()) take_(coming_, first_row_);
    received_.clear();
    sent_.clear();
    coming_.clear();
  }

 private:
  const AttentionLayer& layer_;
  const TravellingQueries& plan_;
  Make make_;
  Take take_;
  std::vector<Tensor> coming_;
  std::int64_t first_row_ = 0;
  std::vector<Request> sent_, received_;
};

}  // namespace

void TokenRing::forward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& o,
                               const Tensor& lse) const {
  const TravellingQueries plan(layer.mask, layer.shard);
  const std::vector<PositionRun> key_runs = layer.shard.runs(layer.rank());
  const ops::AttentionState state = ops::make_attention_state(q);
  const auto make = [&](std::int64_t n) {
    const Dtype sums = accumulation_dtype(q.dtype());
    return std::vector{
        Tensor::empty({q.dim(0), q.dim(1), n, q.dim(3)}, sums, Memory::communication, "attention result"),
        Tensor::empty({q.dim(0), q.dim(1), n, 1}, sums, Memory::communication, "attention result")};
  };
  PassingQueries passing(layer, plan, {q});
  ReturningResults results(layer, plan, make, [&](const std::vector<Tensor>& result, std::int64_t first_row) {
    ops::attention_merge(state, result[0], as_rows(result[1]), first_row);
  });
  ops::attention_visit(layer.rules_for_part(layer.rank()), q, keys(kv), values(kv), key_runs, state);
  for (int step = 1; step < layer.size(); ++step) {
    passing.next();
    std::vector<Tensor> found;
    if (!passing.idle()) {
      const Tensor rows = passing.working_rows()[0];
      const ops::AttentionState part = ops::make_attention_state(rows);
      ops::attention_visit(layer.rules_for_part(passing.owner(), passing.first_row()), rows, keys(kv), values(kv),
                           key_runs, part);
      found = make(rows.dim(2));
      ops::attention_finish(part, found[0], as_rows(found[1]));
    }
    results.exchange(passing, found);
  }
  results.take_in();
  ops::attention_finish(state, o, lse);
}

Tensor TokenRing::backward_blocks(const AttentionLayer& layer, const Tensor& q, const Tensor& kv, const Tensor& lse,
                                  const Tensor& dout, const Tensor& delta, const Tensor& dq) const {
  const TravellingQueries plan(layer.mask, layer.shard);
  const std::vector<PositionRun> key_runs = layer.shard.runs(layer.rank());
  const Dtype sums = accumulation_dtype(q.dtype());
  const Tensor dkv = Tensor::zeros(kv.shape(), sums, Memory::activations, "gradient");
  const auto make = [&](std::int64_t n) {
    return std::vector{Tensor::empty({q.dim(0), q.dim(1), n, q.dim(3)}, sums, Memory::communication, "query gradient")};
  };
  PassingQueries passing(layer, plan, {q, dout, as_block(lse), as_block(delta)});
  ReturningResults results(layer, plan, make, [&](const std::vector<Tensor>& result, std::int64_t first_row) {
    ops::add_block(ops::BlockRef(result[0]), ops::BlockRef(dq).rows(first_row, result[0].dim(2)));
  });
  ops::attention_visit_backward(layer.rules_for_part(layer.rank()), q, keys(kv), values(kv), key_runs, lse, dout, delta,
                                dq, keys(dkv), values(dkv));
  for (int step = 1; step < layer.size(); ++step) {
    passing.next();
    std::vector<Tensor> found;
    if (!passing.idle()) {
      const std::vector<Tensor> rows = passing.working_rows();
      found = make(rows[0].dim(2));
      found[0].set_zero();
      ops::attention_visit_backward(layer.rules_for_part(passing.owner(), passing.first_row()), rows[0], keys(kv),
                                    values(kv), key_runs, as_rows(rows[2]), rows[1], as_rows(rows[3]), found[0],
                                    keys(dkv), values(dkv));
    }
    results.exchange(passing, found);
  }
  results.take_in();
  return dkv;
}

Traffic TokenRing::traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const {
  const TravellingQueries plan(mask, shard);
  const std::int64_t query = sizes.query_token(), row = sizes.row_token();
  const std::int64_t e = sizes.element(), a = sizes.sum_element();
  Traffic t;
  for (int step = 1; step < shard.parts(); ++step) {
    const std::int64_t on = plan.travelling_rows(plan.route().owner(shard.part(), step - 1), step);
    const std::int64_t back = plan.working_rows(plan.route().owner(shard.part(), step), shard.part());
    t.forward_returning_bytes += back * (query + row) * a;
    t.backward_returning_bytes += back * query * a;
    t.forward_bytes += on * query * e + back * (query + row) * a;
    t.backward_bytes += on * (2 * query * e + 2 * row * a) + back * query * a;
    t.forward_messages += (on > 0 ? 1 : 0) + (back > 0 ? 2 : 0);
    t.backward_messages += (on > 0 ? 4 : 0) + (back > 0 ? 1 : 0);
  }
  return t;
}

std::vector<double> TokenRing::work(const AttentionSizes&, const MaskRule& mask, const SequenceShard& shard) const {
  std::vector<double> share(static_cast<std::size_t>(shard.parts()));
  double all = 0;
  for (int queries = 0; queries < shard.parts(); ++queries) {
    for (int holder = 0; holder < shard.parts(); ++holder) {
      const auto pairs =
          static_cast<double>(visible_pairs(mask, shard.runs(queries), shard.runs(holder), shard.global_length()));
      share[static_cast<std::size_t>(holder)] += pairs;
      all += pairs;
    }
  }
  for (double& s : share) s = all > 0 ? s / all : 1.0 / shard.parts();
  return share;
}

}  // namespace longspan
