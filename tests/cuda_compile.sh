#!/bin/bash
# tests/cuda_compile.sh KOKKOS [CMAKE ARGUMENTS]: compiles and links all of Longspan for NVIDIA GPUs against a Kokkos that
# was built with CUDA (KOKKOS is its prefix), into build-cuda, and counts the kernels. It needs no GPU.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cd "$root"

kokkos=${1:?names no Kokkos; give the prefix of one that was built with CUDA (docs/gpu.md)}
shift
if [[ ! -x $kokkos/bin/nvcc_wrapper ]]; then
  echo "tests/cuda_compile.sh: $kokkos is no Kokkos built with CUDA: it has no bin/nvcc_wrapper" >&2
  exit 2
fi

container/run cmake --preset cuda -DKokkos_ROOT="$kokkos" "$@"
started=$SECONDS
container/run cmake --build --preset cuda
# nvcc leaves a guarded static in the host function that starts a kernel.
kernels=$(container/run nm --defined-only build-cuda/liblongspan_tensor.a build-cuda/liblongspan_ops.a 2> /dev/null |
  awk '/_ZGVZL[0-9]+__device_stub__/ { print $3 }' | sort --unique | wc --lines)
sources=$(grep --count '"file": .*/src/' build-cuda/compile_commands.json)
echo "CUDA: $sources sources of src/ compiled in $((SECONDS - started)) s, $kernels device kernels"
