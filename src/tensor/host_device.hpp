// Marks small functions that kernels call on any device, without including Kokkos.
#pragma once

#if defined(__CUDACC__) || defined(__HIPCC__)
#define LONGSPAN_HOST_DEVICE __host__ __device__
#else
#define LONGSPAN_HOST_DEVICE
#endif
