// Made-up tasks on every mesh: the same sequences, so the same losses and exactly the same number of right answers.
#include <gtest/gtest.h>

#include "mesh/mesh_case.hpp"
#include "support/world.hpp"

namespace longspan::mesh_test {
namespace {

TrainConfig task_config(const std::string& task) {
  TrainConfig c = small_config("");
  c.data.task = task;
  c.task.vocabulary = 16;
  c.validation.sequences = 7;
  c.model.layers = 2;
  c.model.mixers = "deltanet,attention";
  c.model.chunk = 8;
  return c;
}

TEST(TaskMesh, LossesAndAccuraciesAreOneRanks) {
  std::size_t turn = 0;
  for (const char* task : {"mqar", "induction", "copy", "noise", "parity", "modular", "s5"}) {
    const TrainConfig c = task_config(task);
    const Outcome one = run_steps(c, {}, world().split("self", world().rank(), 0), 3);
    for (const MeshShape& shape : factorisations(world().size())) {
      if (shape.pipeline > 2 || turn++ % (world().size() > 4 ? 5 : 2) != 0) continue;
      const Outcome mesh = run_steps(c, shape, world(), 3);
      EXPECT_LT(loss_deviation(mesh, one), 1e-10) << task << " on " << shape.str();
      EXPECT_EQ(mesh.accuracies, one.accuracies) << task << " on " << shape.str();
    }
  }
}

TEST(TaskMesh, ValidationAndLongerSequences) {
  TrainConfig c = task_config("parity");
  for (const std::int64_t length : {45, 90}) {
    c.data.sequence_length = length;
    const auto validate = [&](const MeshShape& shape, const Comm& ranks) {
      Session session(with_mesh(c, shape), ranks);
      session.allocate(false);
      return session.validate();
    };
    const auto one = validate({}, world().split("self", world().rank(), 0));
    EXPECT_GT(one.accuracy, 0.3);
    EXPECT_LT(one.accuracy, 0.7);
    for (const MeshShape& shape : factorisations(world().size())) {
      if (shape.pipeline > 2) continue;
      const auto mesh = validate(shape, world());
      EXPECT_NEAR(mesh.loss, one.loss, 1e-10) << shape.str();
      EXPECT_EQ(mesh.accuracy, one.accuracy) << shape.str();
    }
  }
}

}  // namespace
}  // namespace longspan::mesh_test
