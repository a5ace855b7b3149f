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
  if [[ -e data/kernel-documentation.h5 ]]; then
    echo "data/kernel-documentation.h5 is there already"
  else
    mkdir -p data
    container/run build/apps/longspan-prepare --config configs/quickstart-prepare.cfg
  fi
}

train() {
  container/run mpirun -n 16 build/apps/longspan-train --config configs/quickstart.cfg
}

draw() {
  local unigram
  unigram=$(awk '/^unigram/ { entropy = $2 } END { print entropy }' runs/quickstart/log.txt)
  container/run analysis/longspan-plot-loss runs/quickstart -o runs/quickstart/loss.png --unigram "$unigram"
  container/run analysis/longspan-report runs/quickstart
}

sample() {
  container/run build/apps/longspan-generate runs/quickstart --generate.prompt "The scheduler" \
    --generate.tokens 400 --generate.samples 2 --generate.temperature 0.7
}

summary() {
  grep "^unigram" runs/quickstart/log.txt | tail -n 1
  grep "validation loss" runs/quickstart/log.txt | tail -n 1
  echo "The run is in runs/quickstart: report.html, loss.png, log.txt, metrics.h5, checkpoints. Train on your own text: README.md."
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
stage "Draw the run" draw
stage "Sample text" sample
stage "Result" summary
