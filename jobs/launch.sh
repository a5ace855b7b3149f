# jobs/launch.sh: sourced by jobs/*.sbatch; how ranks are started under SLURM. Changes to the checkout's root, from which
# the job was submitted.
#   launch PROGRAM ARGUMENTS...           on all tasks of the job, or on the first RANKS where that is set
#   run_to_the_end PROGRAM ARGUMENTS...   ends the job as the program ended; one that was stopped goes on later
# shellcheck shell=bash

fail() {
  echo "${SLURM_JOB_NAME:-job}: $1" >&2
  exit 2
}

[[ -n ${SLURM_JOB_ID:-} ]] || fail "this script needs SLURM; submit it with sbatch, or let jobs/submit write the line."
cd "$SLURM_SUBMIT_DIR" || exit 2

tasks_a_node=${SLURM_TASKS_PER_NODE%%[(,]*} # "4(x2),3" has 4 on the first node
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}
export OMP_PLACES=${OMP_PLACES:-cores} OMP_PROC_BIND=${OMP_PROC_BIND:-close}
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1} # srun does not take it over from the job by itself
# SLURM's fence along a tree, its default for a barrier, can let a node go before another has come: a message then meets a
# rank that is still in MPI_Init, which dies of it (seen with SLURM 24.11 and Open MPI 5.0.7 in 1 of 20 starts on a busy
# machine; along the ring never).
export SLURM_PMIX_FENCE=${SLURM_PMIX_FENCE:-ring}
if ((OMP_NUM_THREADS * tasks_a_node > SLURM_CPUS_ON_NODE)); then
  fail "$tasks_a_node ranks a node with $OMP_NUM_THREADS threads each need more than the node's $SLURM_CPUS_ON_NODE cores that the job has; lower OMP_NUM_THREADS or --ntasks-per-node, or raise --cpus-per-task."
fi

program() { # NAME: where it is: what the environment has (Spack, a module), else what jobs/setup.sh has built
  command -v "longspan-$1" || { [[ -x build/apps/longspan-$1 ]] && echo "build/apps/longspan-$1"; } ||
    fail "longspan-$1 is neither on the PATH nor in build/apps; run jobs/setup.sh first, or load what holds it."
}

# Ranks fill node after node: a mesh counts tensor fastest, then sequence, data and pipeline, so that the ranks that talk
# most are neighbours in a node. Ranks that outlive another's failure by a minute are ended.
launch() { # PROGRAM ARGUMENTS...
  local path ranks=${RANKS:-$SLURM_NTASKS}
  path=$(program "$1") || exit 2
  srun --mpi=pmix --wait=60 --ntasks="$ranks" --nodes=$(((ranks + tasks_a_node - 1) / tasks_a_node)) \
    --distribution=block:block --cpu-bind=cores container/run "$path" "${@:2}"
}

# The program ends with 75 when a signal has stopped it and its checkpoint is written. USR1 is the time limit's
# (--signal in the job's head): the job asks to be queued again. TERM comes when SLURM takes the nodes: after a
# preemption it queues the job again itself, after scancel it does not.
run_to_the_end() { # PROGRAM ARGUMENTS...
  local code=0 terminated=
  trap 'terminated=yes' TERM
  launch "$@" || code=$?
  if ((code == 75)) && [[ -z $terminated ]]; then
    echo "$SLURM_JOB_NAME: stopped before the time limit; queued again to go on"
    scontrol requeue "$SLURM_JOB_ID"
  fi
  exit $code
}
