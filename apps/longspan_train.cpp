// longspan-train: trains a decoder language model on a token store, on any mesh.
#include <iostream>

#include "comm/runtime.hpp"
#include "config/free_axis.hpp"
#include "train/plan.hpp"
#include "train/signals.hpp"
#include "train/trainer.hpp"

int main(int argc, char** argv) {
  using namespace longspan;
  watch_stop_signals();
  Watchdog watchdog;  // until MPI has ended
  return run_program(argc, argv, [&](const Comm& world) {
    TrainConfig config;
    Options options("longspan-train",
                    "Trains a decoder language model on a token store, on any mesh of ranks:\n"
                    "  mpirun -n 8 longspan-train --config FILE --parallel.data 2 --parallel.sequence 4");
    bind(options, config);
    const Options::Action action = options.parse(argc, argv);
    if (action == Options::Action::help || action == Options::Action::version) {
      if (world.rank() == 0) std::cout << (action == Options::Action::help ? options.help() : options.version());
      return 0;
    }
    apply_preset(options, config.model);
    fill_free_axis(config.parallel, world.size());
    check(config);
    if (action == Options::Action::dry_run) {
      const std::string plan = describe_dry_run(config, world);
      if (world.rank() == 0) std::cout << plan << "\n";
      return 0;
    }
    watchdog.start(config.run.watchdog, config.run.stop_within, world.rank());
    const int code = Trainer(config, world, watchdog).run();
    watchdog.progress("its end");
    return code;
  });
}
