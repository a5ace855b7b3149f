#!/bin/bash
# failing_rank_test.sh LAUNCHER PROGRAM: each way to fail gives its exit code and its sentences, the given number of
# times, before the time is up.
set -uo pipefail
launcher=$1 program=$2
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# expect WAY CODE TIMES SENTENCE [TIMES SENTENCE]...
expect() {
  local way=$1 code=$2 started=$SECONDS status=0
  shift 2
  timeout 60 $launcher "$program" "$way" > "$output" 2>&1 || status=$?
  if ((status == 139)); then # prterun, whose status this is, may itself crash while it ends the ranks
    echo "$way: the launcher crashed (exit code 139); once more"
    status=0
    timeout 60 $launcher "$program" "$way" > "$output" 2>&1 || status=$?
  fi
  local problems=()
  ((status == code)) || problems+=("exit code $status, not $code")
  while (($# > 0)); do
    local times
    times=$(grep -c -F -e "$2" "$output")
    ((times == $1)) || problems+=("'$2' is printed $times times, not $1")
    shift 2
  done
  if ((${#problems[@]} > 0)); then
    failed=1
    printf '%s: %s\n' "$way" "${problems[*]}"
    sed 's/^/  | /' "$output"
  else
    echo "$way: as it should be, after $((SECONDS - started)) s"
  fi
}

expect fine 0 0 error
expect code 75 0 error:
expect all 2 1 'error: model.width = 7 is odd; make it even' 1 model.width
expect each 2 1 'error: rank 0 dislikes' 1 'error on rank 1: rank 1 dislikes' 1 'error on rank 2: rank 2 dislikes'
expect check 1 1 'internal error: [failing_rank] 5 elements'
expect memory 3 1 'error: this machine has no memory left'
expect pending 4 1 'error: the loss is not finite at step 3'
expect one 3 1 'error on rank 2: the disk of node7 is full; free some space'
expect gone 2 1 'error on rank 2: the last rank read a broken file'
expect late 3 1 'is not through with its end after run.watchdog = 0.5 s: it has waited'
exit $failed
