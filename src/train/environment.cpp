#include "train/environment.hpp"

#include <format>

namespace longspan {
namespace {

using Sentences = std::vector<std::string>;

void judge_threads(const Environment& e, Sentences& sentences) {
  const int wanted = e.placement.ranks_here * e.threads;
  if (wanted > e.machine.cores) {
    sentences.push_back(
        std::format("{} ranks with {} threads each share {} cores; start fewer ranks a node or lower OMP_NUM_THREADS",
                    e.placement.ranks_here, e.threads, e.machine.cores));
    return;
  }
  if (e.machine.allowed_cores < e.threads) {
    sentences.push_back(std::format(
        "a rank runs {} threads but is bound to {} cores; give it as many (srun --cpus-per-task, mpirun --map-by "
        "slot:PE={}) or lower OMP_NUM_THREADS",
        e.threads, e.machine.allowed_cores, e.threads));
  } else if (e.placement.ranks_here > 1 && e.machine.allowed_cores == e.machine.cores) {
    sentences.push_back(
        "the ranks of a node are not bound to cores of their own and may wander; use srun --cpu-bind=cores or mpirun "
        "--bind-to core");
  }
  if (e.devices == 0 && 2 * wanted <= e.machine.cores) {
    sentences.push_back(
        std::format("{} of a node's {} cores are idle; start more ranks a node or raise OMP_NUM_THREADS",
                    e.machine.cores - wanted, e.machine.cores));
  }
  if (e.threads > 1 && (e.omp_bind.empty() || e.omp_bind == "false" || e.omp_bind == "FALSE")) {
    sentences.push_back("the threads of a rank are not bound; set OMP_PROC_BIND=close and OMP_PLACES=cores");
  }
}

void judge_places(const Environment& e, Sentences& sentences) {
  if (e.placement.nodes > 1 && e.placement.ranks_here % e.mesh.tensor != 0) {
    sentences.push_back(std::format("the tensor axis of {} ranks crosses nodes of {} ranks; use a divisor of {}",
                                    e.mesh.tensor, e.placement.ranks_here, e.placement.ranks_here));
  }
  if (e.fewest_cores != e.most_cores) {
    sentences.push_back(
        std::format("nodes have {} to {} cores, and the slowest sets the pace; ask for nodes of one kind",
                    e.fewest_cores, e.most_cores));
  }
  if (e.devices > 0 && e.placement.ranks_here > e.devices) {
    sentences.push_back(std::format("{} ranks share {} GPUs; start one rank a GPU", e.placement.ranks_here, e.devices));
  }
}

}  // namespace

Sentences suspicions(const Environment& e) {
  Sentences sentences;
  judge_threads(e, sentences);
  judge_places(e, sentences);
  if (e.devices > 0 && !e.mpi.device_pointers && e.mesh.size() > 1) {
    sentences.push_back(
        "messages from the GPU are copied through the host; where MPI takes device pointers build with "
        "LONGSPAN_GPU_AWARE_MPI=ON");
  }
  if (e.file_system == "tmpfs" || e.file_system == "ramfs") {
    sentences.push_back(std::format(
        "run.directory = {} is in memory ({}) and its checkpoints go with the machine; name a folder on a disk",
        e.directory, e.file_system));
  }
  return sentences;
}

}  // namespace longspan
