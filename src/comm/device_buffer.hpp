// The memory of a tensor as MPI may see it. One door for three cases: tensors in host memory and MPI libraries that
// take device pointers use the tensor itself; otherwise the message is staged through host memory.
#pragma once

#include <memory>

#include "tensor/shape_only.hpp"
#include "tensor/tensor.hpp"

namespace longspan {

enum class Access { read, write, update };  // what MPI does with the buffer

class DeviceBuffer {
 public:
  // Waits for queued kernels. `host_function` = one of our own MPI operators runs on the memory, which it must be able
  // to read even if the MPI library takes device pointers.
  DeviceBuffer(const Tensor& tensor, Access access, bool host_function = false);

  // First element, or element `first`, of a tensor that has storage.
  void* data(std::int64_t first = 0) const {
    LONGSPAN_CHECK(!shape_only(), "[comm] shape-only tensors can be sent in phantom groups alone");
    return base_ + static_cast<std::size_t>(first) * size_of(tensor_.dtype());
  }
  // Call after MPI is done with the buffer: the tensor then holds what was received.
  void finish();

 private:
  Tensor tensor_;
  Access access_;
  std::unique_ptr<char[]> staged_;
  char* base_;
};

// Tests: stage even where it is not needed.
void stage_always(bool on);

}  // namespace longspan
