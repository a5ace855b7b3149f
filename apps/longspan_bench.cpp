// longspan-bench: how fast training steps are, and how attention crosses the sequence axis.
#include <iostream>
#include <string>

#include "comm/runtime.hpp"
#include "comm/together.hpp"
#include "train/plan.hpp"
#include "train/sequence_benchmark.hpp"
#include "train/step_benchmark.hpp"

namespace {

using namespace longspan;

constexpr int kDifferent = 1;  // counted traffic is not the closed form's

// True where help or the version was asked for.
bool answered(const Options& options, Options::Action action, const Comm& world) {
  if (action != Options::Action::help && action != Options::Action::version) return false;
  if (world.rank() == 0) std::cout << (action == Options::Action::help ? options.help() : options.version());
  return true;
}

int bench_step(int argc, char** argv, const Comm& world) {
  TrainConfig config;
  std::int64_t warmup = 3, steps = 10;
  Options options("longspan-bench",
                  "Times the training steps of a configuration against the machine's matrix rate; writes nothing:\n"
                  "  longspan-bench [step] --config configs/bench/step.cfg\n"
                  "longspan-bench sequence --help: attention's methods over the sequence axis");
  options.add("bench.warmup", warmup, "steps before the timed ones")
      .add("bench.steps", steps, "timed steps; the median counts");
  bind(options, config);
  const Options::Action action = options.parse(argc, argv);
  if (answered(options, action, world)) return 0;
  if (warmup < 0 || steps < 1) throw UserError("bench.steps must be at least 1 and bench.warmup not negative");
  apply_preset(options, config.model);
  check(config);
  if (action == Options::Action::dry_run) {
    const std::string plan = describe_dry_run(config, world);
    if (world.rank() == 0) std::cout << plan << "\n";
    return 0;
  }
  Session session(config, world);
  const std::string plan = describe_plan(session);
  if (world.rank() == 0) std::cout << plan << std::endl;
  session.allocate(true);
  const StepBenchmark result = benchmark_steps(session, warmup, steps);
  if (world.rank() == 0) std::cout << result.text() << std::endl;
  return 0;
}

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

}  // namespace

int main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  const bool named = command == "step" || command == "sequence";
  if (named) {
    argv[1] = argv[0];
    --argc;
    ++argv;
  }
  return run_program(argc, argv, [&](const Comm& world) {
    return command == "sequence" ? bench_sequence(argc, argv, world) : bench_step(argc, argv, world);
  });
}
