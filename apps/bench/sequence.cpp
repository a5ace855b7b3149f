// longspan-bench sequence: the methods by which attention crosses the sequence axis.
#include <format>
#include <iostream>

#include "bench/commands.hpp"
#include "comm/together.hpp"
#include "train/sequence_benchmark.hpp"

namespace longspan {
namespace {

constexpr int kDifferent = 1;  // counted traffic is not the closed form's

}  // namespace

int bench_sequence(int argc, char** argv, const Comm& world) {
  SequenceBenchmarkConfig config;
  bool explain = false;
  Options options("longspan-bench sequence",
                  "Times one attention layer, forward and backward, for methods x ranks x lengths:\n"
                  "  mpirun -n 4 longspan-bench sequence --bench.ranks 1,2,4 --bench.lengths 4096,16384");
  bind(options, config);
  options.add_flag("explain", explain,
                   "Compares counted bytes and messages with the closed forms; exit code 1 if any "
                   "differ.");
  const Options::Action action = options.parse(argc, argv);
  if (answered(options, action, world)) return 0;
  if (action == Options::Action::dry_run) {
    if (world.rank() == 0) std::cout << options.resolved();
    return 0;
  }
  if (explain) {
    const TrafficProof proof = explain_traffic(config, world);
    if (world.rank() == 0) std::cout << proof.text;
    return proof.equal ? 0 : kDifferent;
  }
  const ResultTable table = benchmark_sequence(config, world);
  together(world, [&] {
    if (world.rank() != 0) return;
    std::cout << table.text();
    if (config.output.empty()) return;
    table.write(config.output, make_provenance(options.resolved(), std::format("{} ranks", world.size())));
    std::cout << "wrote " << config.output << "\n";
  });
  return 0;
}

}  // namespace longspan
