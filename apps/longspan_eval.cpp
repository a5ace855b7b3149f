// longspan-eval: validation loss and accuracy of a checkpoint, on any mesh.
#include <format>
#include <iostream>

#include "checkpoint/checkpoint.hpp"
#include "comm/runtime.hpp"
#include "config/free_axis.hpp"
#include "train/session.hpp"
#include "train/stored_config.hpp"

int main(int argc, char** argv) {
  using namespace longspan;
  return run_program(argc, argv, [&](const Comm& world) {
    const CheckpointArgument argument(argc, argv);
    // The checkpoint's own configuration holds the defaults; the mesh is this command's business.
    TrainConfig config;
    if (argument.given()) config = stored_config(argument.file());
    config.parallel = ParallelConfig{};
    Options options("longspan-eval",
                    "Validation loss and accuracy of a checkpoint, on any mesh of ranks:\n"
                    "  mpirun -n 4 longspan-eval CHECKPOINT --parallel.sequence 4 --data.corpus FILE\n"
                    "CHECKPOINT is a file, or a run's folder, whose newest checkpoint is taken.");
    bind(options, config);
    if (argument.parse(options, world)) return 0;
    fill_free_axis(config.parallel, world.size());
    check(config);
    Session session(config, world);
    session.allocate(false);
    const TrainState state = load_checkpoint(argument.file(), session.mesh(), session.store(), nullptr);
    const auto [loss, accuracy] = session.validate();
    if (world.rank() == 0) {
      const std::string bits =
          session.corpus() ? std::format(", {:.4f} bits a byte", session.bits_per_byte(loss)) : std::string();
      std::cout << std::format("{}: step {}, validation loss {:.6f} nats a token{}, accuracy {:.2f}%\n",
                               argument.file(), state.step, loss, bits, 100 * accuracy);
    }
    return 0;
  });
}
