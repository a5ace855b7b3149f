// Checkpoints that know nothing of the mesh: every dataset is a full logical tensor, so that a file saved on one mesh
// loads on any other, in any floating dtype. docs/checkpoint_format.md describes the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/save.hpp"
#include "checkpoint/tensor_file.hpp"
#include "checkpoint/train_state.hpp"
#include "comm/mesh.hpp"
#include "nn/parameter.hpp"
#include "optim/optimizer.hpp"

namespace longspan {

inline constexpr std::int64_t kCheckpointVersion = 2;

// Writes a checkpoint and waits for it (checkpoint/save.hpp does not wait). The file has a temporary name until it is
// whole and on the disk. Where it cannot be written all ranks throw the same EnvironmentError and nothing is left
// behind. Collective over the mesh.
void save_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store, const Optimizer& optimizer,
                     const TrainState& state);

// Compares the hash of everything that is no tensor (data/footer.hpp) on rank 0, and the checksum of every tensor
// on all ranks together, each of which reads its share of the file. Where something is wrong all ranks throw the same
// UserError. Collective over `comm`.
void verify_checkpoint(const std::string& path, const Comm& comm);

// Every rank reads its own parts, of any floating dtype. Parameters and master weights come from the stored masters
// where there are any. Without an optimizer only the parameters are read. The file is verified first unless `verified`
// says that it was. Where it is damaged, of another format or holds another model all ranks throw the same UserError.
// Collective over the mesh.
TrainState load_checkpoint(const std::string& path, const Mesh& mesh, const ParameterStore& store,
                           Optimizer* optimizer = nullptr, bool verified = false);

// Reads the parameters whose names match one of the patterns (`*` any characters, `?` any one, by commas), each of
// which must match one; the others keep their values. Returns how many were read. Errors and ranks as above.
std::int64_t load_parameters(const std::string& path, const std::string& patterns, const Mesh& mesh,
                             const ParameterStore& store, Optimizer* optimizer);

// What the file says about itself, without its tensors' values.
struct CheckpointInfo {
  TrainState state;
  std::vector<DatasetInfo> datasets;
};
CheckpointInfo read_checkpoint_info(const std::string& path);

// The checkpoints of a run are RUN/checkpoints/step_00000100.h5. These functions look at the file system only: call
// them on one rank. The newest is the one that was written last.
std::string checkpoint_path(const std::string& run_folder, std::int64_t step);
// All of them, the newest first.
std::vector<std::string> list_checkpoints(const std::string& run_folder);
// The newest checkpoint whose description can be read; one that was cut short (a copy, a full disk) is passed over.
// Empty: there is none.
std::string latest_checkpoint(const std::string& run_folder);
// Removes all but the newest `keep` checkpoints (0: none is removed) and those of steps that are multiples of
// `keep_every` (0: none), and what killed saves left behind.
void prune_checkpoints(const std::string& run_folder, std::int64_t keep, std::int64_t keep_every);

// The newest checkpoint that is whole to the last bit, and a sentence for every newer one that is not. No file: the run
// has no checkpoint. Where it has some and none is whole all ranks throw the same UserError. Collective over `comm`.
struct ResumePoint {
  std::string file;
  std::vector<std::string> warnings;
};
ResumePoint find_resume_point(const std::string& run_folder, const Comm& comm);

// Compares all checksums; the names of the datasets that are damaged.
std::vector<std::string> damaged_datasets(hid_t file, const std::string& path);

}  // namespace longspan
