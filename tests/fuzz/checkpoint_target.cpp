// A checkpoint that was forged by a recipe (forge.hpp): objects /, state, optimizer, model/norm.weight and others. Its
// checksums are not compared before it is loaded, so that what they guard is read too.
#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"
#include "data/footer.hpp"
#include "forge.hpp"
#include "target.hpp"
#include "tensor/device.hpp"

namespace longspan::fuzz {
namespace {

// Bfloat16: with master weights.
struct Model {
  Model() : mesh(Comm::phantom("world", 1, 0), {}), store(mesh.shape(), mesh.at()), optimizer({}, allocated()) {}

  DeviceScope device{1};
  Mesh mesh;
  ParameterStore store;
  Optimizer optimizer;

 private:
  const ParameterStore& allocated() {
    store.declare({.name = "norm.weight", .shape = {8}});
    store.declare({.name = "head.weight", .shape = {5, 8}, .shard = {.dim = 0}});
    store.allocate(Dtype::bfloat16, 3);
    return store;
  }
};

}  // namespace

void fuzz_one(const std::string& input) {
  static Model model;
  static const std::string right = content_made_by([](const std::string& path) {
    const TrainState state = {.step = 3, .vocabulary = 5, .tokenizer = "byte", .provenance = {.config = "[run]\n"}};
    save_checkpoint(path, model.mesh, model.store, model.optimizer, state);
  });
  const MemoryFile file(right);
  forge(file.path(), input);
  try {
    load_checkpoint(file.path(), model.mesh, model.store, &model.optimizer, true);
    read_checkpoint_info(file.path());
    damaged_datasets(open_guarded(file.path(), "checkpoint"), file.path());
  } catch (const Error&) {
  }
}

}  // namespace longspan::fuzz
