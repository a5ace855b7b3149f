#include "comm/rank_scan.hpp"

#include <utility>

#include "tensor/device.hpp"

namespace longspan {
namespace {

constexpr int kTag = 3;

Tensor room_like(const Tensor& t, const char* label) {
  return Tensor::empty(t.shape(), t.dtype(), Memory::communication, label);
}

Tensor copy_of(const Tensor& t, const char* label) {
  const Tensor copy = room_like(t, label);
  device::copy_on_device(copy.raw(), t.raw(), t.bytes());
  return copy;
}

}  // namespace

RankScan::RankScan(const Comm& axis, ScanOperator op, const Tensor& map, const Tensor& state, bool reversed,
                   ScanMethod method)
    : axis_(axis),
      op_(std::move(op)),
      map_(map),
      state_(state),
      reversed_(reversed),
      method_(method),
      place_(reversed ? axis.size() - 1 - axis.rank() : axis.rank()) {
  if (axis_.size() == 1) return;
  switch (method_) {
    case ScanMethod::ring:
      if (place_ > 0) receive_ = axis_.receive_async(state_, rank_at(place_ - 1), kTag);
      break;
    case ScanMethod::rounds:
      window_ = map_;
      start_round(1);
      break;
    case ScanMethod::gather:
      all_ = Tensor::empty({axis_.size(), map_.size()}, map_.dtype(), Memory::communication, "scan, all maps");
      receive_ = axis_.all_gather_async(map_.reshape({1, map_.size()}), all_,
                                        std::vector<std::int64_t>(static_cast<std::size_t>(axis_.size()), 1));
      break;
  }
}

Tensor RankScan::finish() {
  if (axis_.size() == 1) return state_;
  switch (method_) {
    case ScanMethod::ring:
      finish_ring();
      break;
    case ScanMethod::rounds:
      finish_rounds();
      break;
    case ScanMethod::gather:
      finish_gather();
      break;
  }
  return state_;
}

// The message that leaves is waited for when the object goes.
void RankScan::finish_ring() {
  receive_.wait();
  if (place_ + 1 == axis_.size()) return;
  leaving_ = copy_of(state_, "scan, state");
  op_.apply(map_, leaving_);
  send_ = axis_.send_async(leaving_, rank_at(place_ + 1), kTag);
}

void RankScan::start_round(int distance) {
  if (place_ >= distance) {
    incoming_ = room_like(map_, "scan, message");
    receive_ = axis_.receive_async(incoming_, rank_at(place_ - distance), kTag);
  }
  if (place_ + distance < axis_.size()) send_ = axis_.send_async(window_, rank_at(place_ + distance), kTag);
}

// Before the round of distance d this rank has
//   window = maps of places max(0, r-d+1) .. r     composed,
//   before = maps of places max(0, r-d+1) .. r-1   composed,
// and gets the window of place r-d, which ends where both begin: put in front, it doubles them.
void RankScan::finish_rounds() {
  Tensor before;
  for (int d = 1; d < axis_.size(); d *= 2) {
    if (d > 1) start_round(d);
    receive_.wait();
    send_.wait();
    if (place_ < d) continue;
    if (place_ + 2 * d < axis_.size()) {
      if (d == 1) window_ = copy_of(map_, "scan, window");
      op_.compose(incoming_, window_);
    }
    if (d == 1)
      before = incoming_;
    else
      op_.compose(incoming_, before);
  }
  if (place_ > 0) op_.apply(before, state_);
}

void RankScan::finish_gather() {
  receive_.wait();
  for (int place = 0; place < place_; ++place) {
    op_.apply(all_.slice(rank_at(place), 1).reshape(map_.shape()), state_);
  }
}

}  // namespace longspan
