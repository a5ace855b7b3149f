// Checkpoints that know nothing of the mesh: every dataset is a full logical tensor, so that a file saved on one mesh
// loads on any other, in any floating dtype. docs/checkpoint_format.md describes the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/tensor_file.hpp"
#include "checkpoint/train_state.hpp"
#include "comm/mesh.hpp"
#include "nn/parameter.hpp"
#include "optim/optimizer.hpp"

namespace longspan {

inline constexpr std::int64_t kCheckpointVersion = 1;

// Tensor by tensor the parts go to world rank 0, which writes them; it holds one logical tensor at a time. The file has
// a temporary name until it is whole and on the disk. Where it cannot be written all ranks throw the same
// EnvironmentError and nothing is left behind. Collective over the mesh.
void save_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store, const Optimizer& optimizer,
                     const TrainState& state);

// Checks every checksum on world rank 0, then every rank reads its own parts. Parameters and master weights come from
// the stored masters where there are any. Without an optimizer only the parameters are read. Where the file is damaged,
// of another format or holds another model all ranks throw the same UserError. Collective over the mesh.
TrainState load_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store,
                           Optimizer* optimizer = nullptr);

// What the file says about itself, without its tensors' values.
struct CheckpointInfo {
  TrainState state;
  std::vector<DatasetInfo> datasets;
};
CheckpointInfo read_checkpoint_info(const std::string& path);

// The checkpoints of a run are RUN/checkpoints/step_00000100.h5. These functions look at the file system only: call
// them on one rank. The newest is the one that was written last.
std::string checkpoint_path(const std::string& run_folder, std::int64_t step);
// The newest checkpoint that is whole; one that was cut short (a copy, a full disk) is passed over. Empty: there is
// none.
std::string latest_checkpoint(const std::string& run_folder);
// Removes all but the newest `keep` checkpoints (0: none is removed), and what killed saves left behind.
void prune_checkpoints(const std::string& run_folder, std::int64_t keep);

// Compares all checksums; the names of the datasets that are damaged.
std::vector<std::string> damaged_datasets(hid_t file, const std::string& path);

}  // namespace longspan
