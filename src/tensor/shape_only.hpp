// Shape-only execution: while a ShapeOnly object lives, tensors have a shape, a dtype and an account, but no storage,
// and kernels return at once. The real code then tells what it would hold and send, for any size, in no time.
//   - Storage is counted by a pool of the scope's own, with the same rounding, kept blocks, limit and peaks as
//   otherwise;
//     the process' own pool does not change.
//   - Tensor::raw() is an address that no machine maps, so that a forgotten access stops the program.
//   - What kernels, copies on the device and messages would have written is zero for a host that asks.
//   - Integer tensors alone keep what the host gave them: positions, tokens and visible ranges steer loops.
// Scopes nest. Tensors made inside must be gone before the scope ends.
#pragma once

#include "tensor/memory.hpp"

namespace longspan {

class ShapeOnly {
 public:
  ShapeOnly();
  ~ShapeOnly();
  ShapeOnly(const ShapeOnly&) = delete;
  ShapeOnly& operator=(const ShapeOnly&) = delete;

 private:
  MemoryPool pool_;
  MemoryPool* before_;
};

// Whether such a scope is open.
inline bool shape_only() { return MemoryPool::instance().shape_only(); }

}  // namespace longspan
