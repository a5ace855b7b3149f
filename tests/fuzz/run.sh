#!/bin/bash
# tests/fuzz/run.sh [SECONDS [TARGET...]]: AFL++ searches for inputs that crash, hang or leak in the readers of files, for
# 600 s each, from the inputs kept in tests/fuzz/corpus. Ends with 1 if it found any; they lie in build-fuzz/found. As few
# inputs as reach all that was reached are in build-fuzz/found/TARGET/kept, to go into the corpus.
# Needs AFL++ and clang with its sanitizers and OpenMP (Debian: afl++, libclang-rt-19-dev, libomp-19-dev), which the project's
# image leaves out.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cd "$root"
seconds=${1:-600}
targets=("${@:2}")
((${#targets[@]} > 0)) || targets=(config safetensors token_store checkpoint)
if ! container/run which afl-fuzz afl-clang-fast++ > /dev/null; then
  echo "tests/fuzz/run.sh: there is no afl-fuzz or afl-clang-fast++; install AFL++ (Debian: afl++)" >&2
  exit 3
fi

container/run cmake --preset fuzz > build-fuzz.log 2>&1 || { cat build-fuzz.log >&2; exit 3; }
mv build-fuzz.log build-fuzz/configure.log
container/run cmake --build --preset fuzz --target "${targets[@]/#/fuzz_}"
# Crashes are told by the exit status, not by a core dump; memory by the sanitizer, which needs much address space.
export AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_SKIP_CPUFREQ=1 AFL_NO_UI=1 AFL_NO_AFFINITY=1
export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=0
failed=0
for target in "${targets[@]}"; do
  found=build-fuzz/found/$target
  rm -rf "$found"
  mkdir -p "$found"
  container/run afl-fuzz -V "$seconds" -t 5000 -m none -i "tests/fuzz/corpus/$target" -o "$found" \
    -x "tests/fuzz/$target.dict" "build-fuzz/bin/fuzz_$target" > "$found/afl.log" 2>&1 ||
    { tail -n 20 "$found/afl.log" >&2; exit 3; }
  container/run afl-cmin -t 5000 -m none -i "$found/default/queue" -o "$found/kept" -- "build-fuzz/bin/fuzz_$target" >> "$found/afl.log" 2>&1 ||
    { tail -n 20 "$found/afl.log" >&2; exit 3; }
  leaks=0
  for input in "$found"/default/queue/id:*; do
    ASAN_OPTIONS=abort_on_error=1 container/run "build-fuzz/bin/fuzz_$target" < "$input" > "$found/leak.log" 2>&1 ||
      { leaks=$((leaks + 1)); cp "$input" "$found/"; }
  done
  number() { sed -n "s/^$1 *: //p" "$found/default/fuzzer_stats"; }
  echo "$target: $(number execs_done) runs in $(number run_time) s, $(number corpus_count) inputs of $(number edges_found) edges," \
    "$(number saved_crashes) crashes, $(number saved_hangs) hangs, $leaks leaks"
  (($(number saved_crashes) + $(number saved_hangs) + leaks == 0)) || failed=1
done
exit $failed
