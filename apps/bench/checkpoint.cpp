// longspan-bench checkpoint: how fast checkpoints are written and read, beside plain files.
#include <iostream>

#include "bench/commands.hpp"
#include "comm/together.hpp"
#include "train/checkpoint_benchmark.hpp"
#include "train/session.hpp"

namespace longspan {

int bench_checkpoint(int argc, char** argv, const Comm& world) {
  TrainConfig config;
  CheckpointBenchmarkConfig bench;
  Options options("longspan-bench checkpoint",
                  "Times writing, verifying and reading a model's checkpoint, beside plain files on the same disk:\n"
                  "  mpirun -n 4 longspan-bench checkpoint --model.preset gpt2 --parallel.data 4 --bench.folder runs");
  bind(options, bench);
  bind(options, config);
  const Options::Action action = options.parse(argc, argv);
  if (answered(options, action, world)) return 0;
  apply_preset(options, config.model);
  check(config);
  if (action == Options::Action::dry_run) {
    if (world.rank() == 0) std::cout << options.resolved();
    return 0;
  }
  const ResultTable table = benchmark_checkpoint(config, bench, world);
  together(world, [&] {
    if (world.rank() != 0) return;
    std::cout << table.text();
    if (bench.output.empty()) return;
    table.write(bench.output, make_provenance(options.resolved(), mesh_shape(config.parallel).str()));
    std::cout << "wrote " << bench.output << "\n";
  });
  return 0;
}

}  // namespace longspan
