#include "comm/device_buffer.hpp"

#include "tensor/device.hpp"
#include "tensor/shape_only.hpp"

namespace longspan {
namespace {

#ifdef LONGSPAN_GPU_AWARE_MPI
constexpr bool kGpuAwareMpi = true;
#else
constexpr bool kGpuAwareMpi = false;
#endif

bool always_staged = false;

bool direct(bool host_function) {
  return !always_staged && (device::host_accessible() || (kGpuAwareMpi && !host_function));
}

}  // namespace

DeviceBuffer::DeviceBuffer(const Tensor& tensor, Access access, bool host_function)
    : tensor_(tensor), access_(access), base_(static_cast<char*>(tensor.raw())) {
  device::fence();
  if (direct(host_function) || shape_only()) return;
  staged_ = std::make_unique_for_overwrite<char[]>(tensor_.bytes());
  base_ = staged_.get();
  if (access_ != Access::write) tensor_.copy_to_host(base_);
}

void DeviceBuffer::finish() {
  if (staged_ && access_ != Access::read) tensor_.copy_from_host(base_);
}

void stage_always(bool on) { always_staged = on; }

}  // namespace longspan
