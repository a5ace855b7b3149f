// A checkpoint that was forged by a recipe (forge.hpp): objects /, state, optimizer, model/norm.weight and others.
#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "checkpoint/header.hpp"
#include "data/footer.hpp"
#include "forge.hpp"
#include "target.hpp"
#include "tensor/shape_only.hpp"

namespace longspan::fuzz {
namespace {

void write_right(const std::string& path) {
  const ShapeOnly scope;  // the values do not matter
  CheckpointContent content;
  content.entries = {{"norm.weight", {8}, {}}, {"head.weight", {5, 8}, {}}};
  const Tensor flat = Tensor::empty({48}, Dtype::float32);
  content.arrays = {{"model", flat}, {"optimizer/m", flat}};
  content.sums.assign(content.entries.size() * content.arrays.size(), 0);
  content.optimizer_steps = 3;
  content.state = {.step = 3, .vocabulary = 5, .tokenizer = "byte", .provenance = {.config = "[run]\nsteps = 3\n"}};
  write_header(path, content);
}

}  // namespace

void fuzz_one(const std::string& input) {
  static const std::string right = content_made_by(write_right);
  const MemoryFile file(right);
  forge(file.path(), input);
  try {
    read_checkpoint_info(file.path());
    const hdf5::Handle opened = open_guarded(file.path(), "checkpoint");
    damaged_datasets(opened, file.path());
  } catch (const Error&) {
  }
}

}  // namespace longspan::fuzz
