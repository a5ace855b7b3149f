// The door to Kokkos: unmanaged row-major views of a Tensor, and the start of kernels. Only tensor/ and ops/ include
// this.
#pragma once

#include <Kokkos_Core.hpp>

#include "tensor/shape_only.hpp"
#include "tensor/tensor.hpp"

namespace longspan {

using ExecutionSpace = Kokkos::DefaultExecutionSpace;
using TeamPolicy = Kokkos::TeamPolicy<ExecutionSpace>;
using TeamMember = TeamPolicy::member_type;
using RangePolicy = Kokkos::RangePolicy<ExecutionSpace, Kokkos::IndexType<std::int64_t>>;

template <class T>
using View1 = Kokkos::View<T*, Kokkos::LayoutRight, ExecutionSpace::memory_space, Kokkos::MemoryUnmanaged>;
template <class T>
using View2 = Kokkos::View<T**, Kokkos::LayoutRight, ExecutionSpace::memory_space, Kokkos::MemoryUnmanaged>;

// Every kernel starts here, so that shape-only execution has one door to keep shut.
template <class Policy, class Kernel>
void launch(const char* label, const Policy& policy, const Kernel& kernel) {
  if (!shape_only()) Kokkos::parallel_for(label, policy, kernel);
}

// All elements in one row.
template <class T>
View1<T> view1(const Tensor& t) {
  return View1<T>(t.data<T>(), static_cast<std::size_t>(t.size()));
}

// Rows by the last dimension.
template <class T>
View2<T> view2(const Tensor& t) {
  return View2<T>(t.data<T>(), static_cast<std::size_t>(t.rows()), static_cast<std::size_t>(t.dim(-1)));
}

}  // namespace longspan
