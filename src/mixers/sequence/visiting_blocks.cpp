#include "mixers/sequence/visiting_blocks.hpp"

#include "ops/block_copy.hpp"

namespace longspan {
namespace {

Tensor rows_of(const Tensor& x, const Range& rows) {
  if (rows.size() == x.dim(2)) return x;
  const Tensor part =
      Tensor::empty({x.dim(0), x.dim(1), rows.size(), x.dim(3)}, x.dtype(), Memory::communication, "part of a block");
  ops::copy_block(ops::BlockRef(x).rows(rows.begin, rows.size()), ops::BlockRef(part));
  return part;
}

}  // namespace

VisitingBlocks::VisitingBlocks(const AttentionLayer& layer, const Tensor& mine, const RingRoute& route, int tag,
                               RowShare share)
    : layer_(layer), route_(route), tag_(tag), share_(share), block_(rows_of(mine, share.of(mine.dim(2)))) {
  exchange();
}

void VisitingBlocks::next() {
  ++step_;
  if (step_ == route_.size()) return;
  sent_.erase(step_);  // waits: a block must have left by the step that it is sent for
  Coming coming = std::move(coming_.at(step_));
  coming_.erase(step_);
  coming.received.wait();
  block_ = coming.block;
  exchange();
}

void VisitingBlocks::exchange() {
  const int me = layer_.rank();
  for (const int step : route_.next_steps(step_)) {
    const int coming = route_.owner(me, step);
    const Tensor block = Tensor::empty(shape(coming), block_.dtype(), Memory::communication, "visiting block");
    coming_[step] = {block, layer_.axis().receive_async(block, route_.holder(coming, step_), tag_)};
  }
  for (const int step : route_.next_steps(step_)) {
    sent_[step] = layer_.axis().send_async(block_, route_.holder(owner(), step), tag_);
  }
}

}  // namespace longspan
