// longspan-bench capacity: what a mesh holds, by real steps or shape-only ones, and the largest batch or length that
// fits.
#include <format>
#include <iostream>

#include "bench/commands.hpp"
#include "comm/together.hpp"
#include "config/free_axis.hpp"
#include "train/capacity_benchmark.hpp"
#include "train/session.hpp"

namespace longspan {

int bench_capacity(int argc, char** argv, const Comm& world) {
  TrainConfig config;
  CapacityBenchmarkConfig bench;
  Options options("longspan-bench capacity",
                  "Peak memory of a rank, and the largest batch or length for which it stays within run.memory_limit; "
                  "one process\naccounts any mesh:\n"
                  "  longspan-bench capacity --model.preset gpt2 --parallel.sequence 64 --run.memory_limit 16G "
                  "--bench.grow length");
  bind(options, bench);
  bind(options, config);
  const Options::Action action = options.parse(argc, argv);
  if (answered(options, action, world)) return 0;
  apply_preset(options, config.model);
  fill_free_axis(config.parallel, world.size());
  check(config);
  if (action == Options::Action::dry_run) {
    if (world.rank() == 0) std::cout << options.resolved();
    return 0;
  }
  const ResultTable table = benchmark_capacity(config, bench, world);
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
