// longspan-bench kernel: kernels alone against their floors.
#include <iostream>

#include "bench/commands.hpp"
#include "train/kernel_benchmark.hpp"

namespace longspan {

int bench_kernel(int argc, char** argv, const Comm& world) {
  KernelBenchmarkConfig config;
  Options options("longspan-bench kernel",
                  "Times kernels, forward and backward, against the matrix rate or copy bandwidth that bounds them:\n"
                  "  OMP_NUM_THREADS=1 longspan-bench kernel --bench.kernels attention --bench.length 8192");
  bind(options, config);
  const Options::Action action = options.parse(argc, argv);
  if (answered(options, action, world)) return 0;
  if (action == Options::Action::dry_run) {
    if (world.rank() == 0) std::cout << options.resolved();
    return 0;
  }
  if (world.size() != 1) {
    throw UserError("longspan-bench kernel times one process, but {} ranks were started; start one", world.size());
  }
  const ResultTable table = benchmark_kernels(config);
  std::cout << table.text();
  if (config.output.empty()) return 0;
  table.write(config.output, make_provenance(options.resolved(), "1 rank"));
  std::cout << "wrote " << config.output << "\n";
  return 0;
}

}  // namespace longspan
