#include "tensor/shape_only.hpp"

#include <cstdio>
#include <cstdlib>

namespace longspan {

ShapeOnly::ShapeOnly() : pool_(MemoryPool::Backing::none), before_(MemoryPool::current_) {
  MemoryPool::current_ = &pool_;
}

// A tensor that outlived the scope would be given back to a pool that is gone.
ShapeOnly::~ShapeOnly() {
  MemoryPool::current_ = before_;
  if (pool_.total().current == 0) return;
  std::fprintf(stderr, "[shape only] tensors of %zu bytes outlive their scope\n", pool_.total().current);
  std::abort();
}

}  // namespace longspan
