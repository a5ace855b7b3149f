// The device that holds tensor storage, without showing Kokkos. All work is queued in order on one stream.
#pragma once

#include <cstddef>
#include <string>

namespace longspan {

// Starts Kokkos for the life of the object. `threads` = 0 leaves the choice to the environment (OMP_NUM_THREADS);
// `device` counts round and round through the machine's devices.
class DeviceScope {
 public:
  explicit DeviceScope(int threads = 0, int device = 0);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;
};

namespace device {

// nullptr where the device has no room. At a multiple of 64 bytes on a CPU, of 256 on a GPU.
void* allocate(std::size_t bytes);
void release(void* data, std::size_t bytes);  // as many as were allocated
void fill_bytes(void* data, int byte, std::size_t bytes);
void copy_to_host(void* host, const void* data, std::size_t bytes);  // waits for queued work
void copy_from_host(void* data, const void* host, std::size_t bytes);
void copy_on_device(void* to, const void* from, std::size_t bytes);  // nothing in shape-only execution
void* stream();                                                      // of a CUDA build its cudaStream_t; null elsewhere
void fence();                                                        // waits until all queued work is done
bool host_accessible();     // tensors may be read through plain pointers (after a fence)
int concurrency();          // threads that run a kernel at once
int count();                // this machine's devices that are not the host; 0 where kernels run on the host
std::string description();  // "OpenMP, 2 threads"

}  // namespace device
}  // namespace longspan
