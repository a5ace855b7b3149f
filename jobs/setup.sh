#!/bin/bash
# jobs/setup.sh [TARGET]: finds or makes the libraries, configures and builds (the programs, if nothing else is named).
# Sourced by jobs/quickstart.sh and tests/run.sh; changes to the checkout's root.
# setup TARGET: the libraries, the configured build folder, and TARGET built in it (`all`, or
# `apps/all` for the programs alone). Where all is up to date it takes a second or two.
# Ends with status 3 and the end of the log where a step fails.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 3

step() { # WHAT COMMAND...: says WHAT and how long it took; what the command prints goes to a log
  local what=$1 started=$SECONDS log=build/setup.log
  shift
  mkdir -p build
  echo "setup: $what (log: $log)"
  if ! "$@" > "$log" 2>&1; then
    tail -n 30 "$log"
    echo "setup: $what failed after $((SECONDS - started)) s; the lines above end $PWD/$log" >&2
    exit 3
  fi
  echo "setup: $what took $((SECONDS - started)) s"
}

setup() { # TARGET
  container/run true || exit 3
  # Another userland has other compilers and headers: begin anew there.
  local userland
  userland=$(container/run g++ -v 2>&1; cat container/packages.txt container/unstable.pref)
  if [[ ! -e build/build.ninja || $(cat build/userland 2> /dev/null) != "$userland" ]]; then
    step configure container/run cmake --fresh --preset release
    echo "$userland" > build/userland
  fi
  step build container/run cmake --build --preset release --target "$1"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  set -euo pipefail
  setup "${1:-apps/all}"
fi
