// longspan-generate: continues a text with a trained model.
#include <iostream>

#include "checkpoint/checkpoint.hpp"
#include "comm/runtime.hpp"
#include "train/generator.hpp"
#include "train/stored_config.hpp"

int main(int argc, char** argv) {
  using namespace longspan;
  return run_program(argc, argv, [&](const Comm& world) {
    GenerateConfig config;
    Options options("longspan-generate",
                    "Continues a text with a trained model, on one rank, from a checkpoint of any mesh:\n"
                    "  longspan-generate CHECKPOINT --generate.prompt \"Once upon\"\n"
                    "CHECKPOINT is a file, or a run's folder, whose newest checkpoint is taken.");
    bind(options, config);
    const CheckpointArgument argument(argc, argv);
    if (argument.parse(options, world)) return 0;
    check(config);
    if (world.size() > 1)
      throw UserError("longspan-generate runs on one rank, {} were started; leave out mpirun", world.size());
    const std::string file = argument.file();
    const Generator generator(file, stored_config(file), world);
    for (std::int64_t sample = 0; sample < config.samples; ++sample) {
      if (config.samples > 1) std::cout << (sample > 0 ? "\n\n" : "") << "--- sample " << sample + 1 << " ---\n";
      std::cout << config.prompt << std::flush;
      generator.generate(config, sample, [](const std::string& text) { std::cout << text << std::flush; });
    }
    std::cout << std::endl;
    return 0;
  });
}
