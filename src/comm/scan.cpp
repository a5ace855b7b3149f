// The exclusive scan of Hillis and Steele. Before the round of distance d the rank at place r of the scan holds
//   window = states max(0, r-d+1) .. r     combined,
//   before = states max(0, r-d+1) .. r-1   combined,
// and gets the window of place r-d, which ends where both begin: put in front, it doubles them.
#include "comm/blocks.hpp"
#include "comm/call_counter.hpp"
#include "comm/request.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

void copy(const Tensor& from, const Tensor& to) { device::copy_on_device(to.raw(), from.raw(), to.bytes()); }

}  // namespace

void Comm::exclusive_scan(const Tensor& state, const Tensor& identity, bool reversed,
                          const std::function<void(const Tensor& earlier, const Tensor& later)>& combine) const {
  LONGSPAN_CHECK(identity.shape() == state.shape() && identity.dtype() == state.dtype(),
                 "[exclusive_scan] the identity is {}, the state {}", identity.shape().str(), state.shape().str());
  if (size_ == 1) return copy(identity, state);
  const int direction = reversed ? -1 : 1;
  const int place = reversed ? size_ - 1 - rank_ : rank_;
  std::int64_t sends = 0;
  for (int d = 1; place + d < size_; d *= 2) ++sends;
  const CallCounter counter(name_, "exclusive_scan", sends * static_cast<std::int64_t>(state.bytes()));

  const Tensor& window = state;
  const Tensor before = Tensor::empty(state.shape(), state.dtype(), Memory::communication, "scan, earlier states");
  const Tensor incoming = Tensor::empty(state.shape(), state.dtype(), Memory::communication, "scan, message");
  if (place == 0) copy(identity, before);
  for (int d = 1; d < size_; d *= 2) {
    exchange(window, Blocks::only(window, place + d < size_ ? rank_ + direction * d : -1, size_), incoming,
             Blocks::only(incoming, place >= d ? rank_ - direction * d : -1, size_), "exclusive_scan")
        ->wait();
    if (place < d) continue;
    if (d == 1)
      copy(incoming, before);
    else
      combine(incoming, before);
    if (place + 2 * d < size_) combine(incoming, window);
  }
  copy(before, state);
}

}  // namespace longspan
