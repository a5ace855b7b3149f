#include "mixers/sequence/gradient_sums.hpp"

#include "layout/ring_route.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

Shape with_rows(const Shape& block, std::int64_t rows) { return {block[0], block[1], rows, block[3]}; }

}  // namespace

AllReducedGradients::AllReducedGradients(const AttentionLayer& layer, const Tensor& mine,
                                         const PartialGradient& partial) {
  const Shape& block = mine.shape();
  all_ = Tensor::zeros({layer.shard.global_length(), block[0] * block[1] * block[3]}, mine.dtype(),
                       Memory::communication, "gradients of all ranks");
  std::int64_t first = 0;
  for (int owner = 0; owner < layer.size(); ++owner) {
    const std::int64_t rows = layer.shard.local_length(owner);
    const Tensor sum = all_.slice(first, rows).reshape(with_rows(block, rows));
    partial(owner, sum);
    if (owner == layer.rank()) own_ = sum;
    first += rows;
  }
  request_ = layer.axis().all_reduce_async(all_);
}

void AllReducedGradients::come_home(const Tensor& mine) {
  request_.wait();
  ops::copy(own_, mine);
}

TravellingSums::TravellingSums(const AttentionLayer& layer, const Tensor& mine, PartialGradient partial, int tag)
    : layer_(layer), shape_(mine.shape()), dtype_(mine.dtype()), partial_(std::move(partial)), tag_(tag) {}

// At step t > 0 rank s works for rank s - t.
void TravellingSums::at_step(int step) {
  if (step == 0) return;
  const int ranks = layer_.size(), me = layer_.rank();
  const Tensor sum = empty_for(wrap(me - step, ranks));
  sum.set_zero();
  partial_(wrap(me - step, ranks), sum);
  add_arrived(sum);
  sent_.wait();
  leaving_ = sum;
  sent_ = layer_.axis().send_async(leaving_, wrap(me + 1, ranks), tag_);
  arriving_ = empty_for(wrap(me - step - 1, ranks));
  received_ = layer_.axis().receive_async(arriving_, wrap(me - 1, ranks), tag_);
}

void TravellingSums::come_home(const Tensor& mine) {
  mine.set_zero();
  partial_(layer_.rank(), mine);
  add_arrived(mine);
  sent_.wait();
}

Tensor TravellingSums::empty_for(int owner) const {
  return Tensor::empty(with_rows(shape_, layer_.shard.local_length(owner)), dtype_, Memory::communication,
                       "travelling gradients");
}

void TravellingSums::add_arrived(const Tensor& sum) {
  if (!arriving_.defined()) return;
  received_.wait();
  ops::add_scaled(arriving_, 1.0, sum);
}

}  // namespace longspan
