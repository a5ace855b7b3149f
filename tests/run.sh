#!/bin/bash
# tests/run.sh [CTEST ARGUMENTS]: sets up what is missing, builds, and runs all tests;
# for example: tests/run.sh -R layout
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../jobs/setup.sh"

setup all
if [[ -n ${LONGSPAN_CUDA_KOKKOS:-} ]]; then
  tests/cuda_compile.sh "$LONGSPAN_CUDA_KOKKOS"
else
  echo "CUDA: not compiled, as LONGSPAN_CUDA_KOKKOS names no Kokkos that was built with it (docs/gpu.md)"
fi
if (($# == 0)); then
  echo "Kernels, one thread, beside what was recorded (a report; other work on the machine lowers the ratios):"
  container/run benchmarks/small_set.py build/apps
fi
exec container/run ctest --test-dir build --output-on-failure --parallel "$(nproc)" "$@"
