// longspan-inspect export and import: parameters to and from safetensors files.
#include <format>
#include <iostream>

#include "config/run_config.hpp"
#include "inspect/commands.hpp"
#include "train/foreign_model.hpp"

namespace longspan {
namespace {

void report(const ForeignCount& count, const std::string& path) {
  std::cout << std::format("{}: {} tensors as {} names them, {} parameters\n", path, count.tensors, count.layout,
                           count.parameters);
}

}  // namespace

int export_safetensors(const std::vector<std::string>& words) {
  if (words.size() != 2) throw UserError("use: longspan-inspect export CHECKPOINT FILE.safetensors");
  report(export_model(words[0], words[1]), words[1]);
  return 0;
}

int import_safetensors(const std::vector<std::string>& words, const Comm& world) {
  TrainConfig config;
  Options options("longspan-inspect import",
                  "A checkpoint of the parameters in a safetensors file, for checkpoint.load or longspan-eval:\n"
                  "  longspan-inspect import model.safetensors gpt2.h5 --model.preset gpt2\n"
                  "[model] describes the model; vocabulary, learned positions and dtype are the file's.");
  bind(options, config.model);
  std::vector<const char*> rest = {"longspan-inspect"};
  std::vector<std::string> files;
  for (const std::string& word : words) {
    if (rest.size() == 1 && files.size() < 2 && !word.starts_with("--")) {
      files.push_back(word);
    } else {
      rest.push_back(word.c_str());
    }
  }
  const Options::Action action = options.parse(static_cast<int>(rest.size()), rest.data());
  if (action == Options::Action::help || action == Options::Action::version) {
    std::cout << (action == Options::Action::help ? options.help() : options.version());
    return 0;
  }
  if (files.size() != 2)
    throw UserError("use: longspan-inspect import FILE.safetensors CHECKPOINT.h5 [--model.key VALUE ...]");
  apply_preset(options, config.model);
  check(config);
  if (action == Options::Action::dry_run) {
    std::cout << options.resolved();
    return 0;
  }
  report(import_model(files[0], files[1], config, world), files[1]);
  return 0;
}

}  // namespace longspan
