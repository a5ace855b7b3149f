#!/bin/bash
# tests/run.sh [CTEST ARGUMENTS]: sets up what is missing, builds, and runs all tests;
# for example: tests/run.sh -R layout
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../jobs/setup.sh"

setup all
exec container/run ctest --test-dir build --output-on-failure --parallel "$(nproc)" "$@"
