// longspan-bench step: how fast a configuration trains, as a share of the machine's matrix rate.
#include <iostream>

#include "bench/commands.hpp"
#include "comm/together.hpp"
#include "config/free_axis.hpp"
#include "train/plan.hpp"
#include "train/step_benchmark.hpp"
#include "train/tensor_dump.hpp"

namespace longspan {

int bench_step(int argc, char** argv, const Comm& world) {
  TrainConfig config;
  std::int64_t warmup = 3, steps = 10;
  std::string output, tensors;
  Options options("longspan-bench",
                  "Times the training steps of a configuration against the machine's matrix rate; trains nothing:\n"
                  "  longspan-bench [step] --config configs/bench/step.cfg\n"
                  "longspan-bench sequence --help: attention's methods over the sequence axis\n"
                  "longspan-bench kernel --help: kernels alone\n"
                  "longspan-bench capacity --help: the largest batch or length that fits\n"
                  "longspan-bench checkpoint --help: writing and reading beside plain files\n"
                  "longspan-bench schedule --help: what a pipeline schedule costs\n"
                  "longspan-bench environment --help: what the machine can do");
  options.add("bench.warmup", warmup, "steps before the timed ones")
      .add("bench.steps", steps, "timed steps; the median counts")
      .add("bench.output", output, "HDF5 file of the result, one row; empty: none")
      .add("bench.tensors", tensors,
           "safetensors file for data, loss, parameters and gradients of the first step; empty: none");
  bind(options, config);
  const Options::Action action = options.parse(argc, argv);
  if (answered(options, action, world)) return 0;
  if (warmup < 0 || steps < 1) throw UserError("bench.steps must be at least 1 and bench.warmup not negative");
  apply_preset(options, config.model);
  fill_free_axis(config.parallel, world.size());
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
  if (!tensors.empty()) write_first_step(session, tensors);
  const StepBenchmark result = benchmark_steps(session, warmup, steps);
  together(world, [&] {
    if (world.rank() != 0) return;
    std::cout << result.text() << std::endl;
    if (output.empty()) return;
    result.table(session.config()).write(output, make_provenance(options.resolved(), session.mesh().shape().str()));
    std::cout << "wrote " << output << "\n";
  });
  return 0;
}

}  // namespace longspan
