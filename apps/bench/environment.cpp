// longspan-bench environment: what the machine has, how fast it is, and what looks wrong.
#include <format>
#include <iostream>

#include "bench/commands.hpp"
#include "comm/together.hpp"
#include "train/environment_benchmark.hpp"

namespace longspan {

int bench_environment(int argc, char** argv, const Comm& world) {
  EnvironmentBenchmarkConfig config;
  Options options("longspan-bench environment",
                  "What these ranks find, how fast products, memory, messages and files are, and what looks wrong:\n"
                  "  mpirun -n 8 longspan-bench environment --parallel.tensor 2 --run.directory runs");
  bind(options, config);
  const Options::Action action = options.parse(argc, argv);
  if (answered(options, action, world)) return 0;
  if (action == Options::Action::dry_run) {
    if (world.rank() == 0) std::cout << options.resolved();
    return 0;
  }
  const EnvironmentReport report = examine_environment(config, world);
  together(world, [&] {
    if (world.rank() != 0) return;
    std::cout << report.text();
    if (config.output.empty()) return;
    report.table().write(config.output, make_provenance(options.resolved(), std::format("{} ranks", world.size())));
    std::cout << "wrote " << config.output << "\n";
  });
  return 0;
}

}  // namespace longspan
