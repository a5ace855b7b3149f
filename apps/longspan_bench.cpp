// longspan-bench: how fast training steps and kernels are, how attention crosses the sequence axis, how much fits, how
// fast checkpoints are, what a pipeline schedule costs, what the machine can do.
#include <iostream>
#include <map>
#include <string>

#include "bench/commands.hpp"
#include "comm/runtime.hpp"
#include "train/schedule_plan.hpp"

namespace longspan {

// True where help or the version was asked for.
bool answered(const Options& options, Options::Action action, const Comm& world) {
  if (action != Options::Action::help && action != Options::Action::version) return false;
  if (world.rank() == 0) std::cout << (action == Options::Action::help ? options.help() : options.version());
  return true;
}

}  // namespace longspan

int main(int argc, char** argv) {
  using namespace longspan;
  using Command = int (*)(int, char**, const Comm&);
  const std::map<std::string, Command> commands = {
      {"step", bench_step},
      {"sequence", bench_sequence},
      {"capacity", bench_capacity},
      {"checkpoint", bench_checkpoint},
      {"environment", bench_environment},
      {"kernel", bench_kernel},
      {"schedule", [](int n, char** words, const Comm& world) { return plan_schedule(n, words, world); }}};
  const auto named = commands.find(argc > 1 ? argv[1] : "");
  const Command command = named == commands.end() ? bench_step : named->second;
  if (named != commands.end()) {
    argv[1] = argv[0];
    --argc;
    ++argv;
  }
  return run_program(argc, argv, [&](const Comm& world) { return command(argc, argv, world); });
}
