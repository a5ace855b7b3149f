#!/bin/bash
# jobs/quickstart.sh: from a fresh checkout to a trained model: sets up, makes a token store from
# the Linux kernel's documentation, trains on 16 ranks, draws the loss and samples text.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # 16 ranks already are more than the cores

setup_programs() {
  setup apps/all
}

prepare_corpus() {
  container/run build/apps/longspan-prepare --config configs/quickstart-prepare.cfg
}

train() {
  container/run mpirun -n 16 build/apps/longspan-train --config configs/quickstart.cfg
}

draw() {
  container/run env PYTHONPATH=analysis python3 -m longspan_analysis.plot_loss runs/quickstart --out runs/quickstart/loss.png
}

sample() {
  container/run build/apps/longspan-generate --config configs/quickstart-generate.cfg
}

stage() { # HEADING FUNCTION
  local started=$SECONDS
  echo
  echo "== $1"
  "$2"
  echo "   ($((SECONDS - started)) s, $SECONDS s since the start)"
}

stage "Set up" setup_programs
stage "Prepare the corpus" prepare_corpus
stage "Train on 16 ranks" train
stage "Draw the loss" draw
stage "Sample text" sample
