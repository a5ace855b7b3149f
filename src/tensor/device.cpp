#include "tensor/device.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstring>
#include <format>
#include <type_traits>

#include "tensor/shape_only.hpp"

namespace longspan {
namespace {

constexpr bool kRunsOnHost = std::is_same_v<Kokkos::DefaultExecutionSpace, Kokkos::DefaultHostExecutionSpace>;
using MemorySpace = Kokkos::DefaultExecutionSpace::memory_space;
using HostBytes = Kokkos::View<char*, Kokkos::HostSpace, Kokkos::MemoryUnmanaged>;
using DeviceBytes = Kokkos::View<char*, MemorySpace, Kokkos::MemoryUnmanaged>;

constexpr const char* kLabel = "longspan::storage";

// Each thread its share of a host's memory, in whole pages: a page lies near the thread that touches it first.
void fill_by_threads(char* data, int byte, std::size_t bytes) {
  constexpr std::size_t kPage = 4096;
  const std::size_t pages = (bytes + kPage - 1) / kPage;
  const std::size_t threads = std::min(static_cast<std::size_t>(device::concurrency()), pages);
  const auto begin_of = [=](std::size_t thread) { return std::min(bytes, pages * thread / threads * kPage); };
  Kokkos::parallel_for("longspan::fill_bytes",
                       Kokkos::RangePolicy<Kokkos::DefaultHostExecutionSpace>(std::size_t{0}, threads),
                       [=](std::size_t thread) {
                         const std::size_t begin = begin_of(thread);
                         std::memset(data + begin, byte, begin_of(thread + 1) - begin);
                       });
}

}  // namespace

DeviceScope::DeviceScope(int threads, int device) {
  Kokkos::InitializationSettings settings;
  if (threads > 0) settings.set_num_threads(threads);
  if (!device::host_accessible()) settings.set_device_id(device % Kokkos::num_devices());
  settings.set_disable_warnings(true);
  Kokkos::initialize(settings);
}

DeviceScope::~DeviceScope() {
  MemoryPool::instance().release_kept_blocks();
  Kokkos::finalize();
}

namespace device {

// From the memory space itself: kokkos_malloc puts a header of 128 bytes in front, and GPU libraries want workspaces at
// multiples of 256.
void* allocate(std::size_t bytes) {
  try {
    return MemorySpace().allocate(kLabel, bytes);
  } catch (const std::exception&) {
    return nullptr;
  }
}

void release(void* data, std::size_t bytes) { MemorySpace().deallocate(kLabel, data, bytes); }

void fill_bytes(void* data, int byte, std::size_t bytes) {
  if (bytes == 0) return;
  if constexpr (kRunsOnHost) return fill_by_threads(static_cast<char*>(data), byte, bytes);
  Kokkos::deep_copy(DeviceBytes(static_cast<char*>(data), bytes), static_cast<char>(byte));
}

void copy_to_host(void* host, const void* data, std::size_t bytes) {
  if (bytes == 0) return;
  Kokkos::deep_copy(HostBytes(static_cast<char*>(host), bytes),
                    DeviceBytes(static_cast<char*>(const_cast<void*>(data)), bytes));
}

void copy_from_host(void* data, const void* host, std::size_t bytes) {
  if (bytes == 0) return;
  Kokkos::deep_copy(DeviceBytes(static_cast<char*>(data), bytes),
                    HostBytes(static_cast<char*>(const_cast<void*>(host)), bytes));
}

void copy_on_device(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0 || shape_only()) return;
  Kokkos::deep_copy(DeviceBytes(static_cast<char*>(to), bytes),
                    DeviceBytes(static_cast<char*>(const_cast<void*>(from)), bytes));
}

void* stream() {
#ifdef KOKKOS_ENABLE_CUDA
  return Kokkos::Cuda().cuda_stream();
#else
  return nullptr;
#endif
}

void fence() { Kokkos::fence("longspan::fence"); }

bool host_accessible() { return Kokkos::SpaceAccessibility<Kokkos::HostSpace, MemorySpace>::accessible; }

int concurrency() { return Kokkos::DefaultExecutionSpace().concurrency(); }

int count() { return host_accessible() ? 0 : Kokkos::num_devices(); }

std::string description() {
  return std::format("{}, {} {}", Kokkos::DefaultExecutionSpace::name(), concurrency(),
                     concurrency() == 1 ? "thread" : "threads");
}

}  // namespace device
}  // namespace longspan
