// longspan-bench: how fast a configuration trains, as a share of the machine's matrix rate; `schedule`: what a pipeline
// schedule costs.
#include <iostream>

#include "comm/runtime.hpp"
#include "train/plan.hpp"
#include "train/schedule_plan.hpp"
#include "train/step_benchmark.hpp"

int main(int argc, char** argv) {
  using namespace longspan;
  return run_program(argc, argv, [&](const Comm& world) {
    if (argc > 1 && std::string(argv[1]) == "schedule") return plan_schedule(argc - 1, argv + 1, world);
    TrainConfig config;
    std::int64_t warmup = 3, steps = 10;
    Options options("longspan-bench",
                    "Times the training steps of a configuration against the machine's matrix rate; writes nothing:\n"
                    "  longspan-bench --config configs/bench/step.cfg\n"
                    "longspan-bench schedule --help: what a pipeline schedule costs.");
    options.add("bench.warmup", warmup, "steps before the timed ones")
        .add("bench.steps", steps, "timed steps; the median counts");
    bind(options, config);
    const Options::Action action = options.parse(argc, argv);
    if (action == Options::Action::help || action == Options::Action::version) {
      if (world.rank() == 0) std::cout << (action == Options::Action::help ? options.help() : options.version());
      return 0;
    }
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
  });
}
