// A checkpoint on its way to the disk. The constructor does all that needs other ranks or HDF5; then each rank writes
// its own elements to their places in the file with plain writes, on a thread of its own that calls neither MPI nor
// HDF5; finish() gives the file its name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "checkpoint/train_state.hpp"
#include "comm/mesh.hpp"
#include "nn/parameter.hpp"
#include "optim/optimizer.hpp"

namespace longspan {

struct SaveReport {
  std::int64_t bytes = 0;  // of all tensors
  double stalled = 0;      // seconds that the caller waited for it, of the slowest rank
  double written = 0;      // seconds from the first byte to the last one on the disk, of the slowest rank
  bool had_room = true;    // for the snapshot, on all ranks, until it was written; without it the caller waits
};

class CheckpointSave {
 public:
  // Where `background` is true the values are copied (into the memory pool) and may change on return, otherwise when
  // written() is true. The copy gives way to tensors that do not fit beside it: they wait until it is written. Where
  // the file cannot be made all ranks throw the same EnvironmentError and nothing is left behind. Without an optimizer
  // the file has only parameters. Collective over the mesh.
  CheckpointSave(const std::string& path, const Mesh& mesh, const ParameterStore& store, const Optimizer* optimizer,
                 const TrainState& state, bool background);
  // Waits for the thread; where finish() was not reached the file goes away.
  ~CheckpointSave();
  CheckpointSave(const CheckpointSave&) = delete;
  CheckpointSave& operator=(const CheckpointSave&) = delete;

  const std::string& path() const;
  bool written() const;  // this rank's elements are on the disk, or could not be written
  // Waits until all are; the file is then in its place. Where writing failed all ranks throw the same EnvironmentError
  // and nothing is left behind. Collective over the mesh.
  SaveReport finish();

 private:
  struct Work;
  std::unique_ptr<Work> work_;
};

}  // namespace longspan
