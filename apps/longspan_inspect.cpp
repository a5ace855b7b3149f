// longspan-inspect: what a file of Longspan is, holds and whether it is whole; parameters to and from safetensors.
#include <format>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/version.hpp"
#include "comm/runtime.hpp"
#include "inspect/commands.hpp"

namespace {

constexpr const char* kHelp =
    "longspan-inspect FILE [--verify | --compare OTHER]\n"
    "longspan-inspect export CHECKPOINT FILE.safetensors\n"
    "longspan-inspect import FILE.safetensors CHECKPOINT [--model.key VALUE ...]\n"
    "What a checkpoint, metrics file or token store is: origin, configuration, tensors with their shapes, element\n"
    "types and bytes. On one rank.\n"
    "\n"
    "  --verify          reads all of it and compares every checksum; a damaged file ends with exit code 2\n"
    "  --compare OTHER   in what two checkpoints differ, tensor by tensor; exit code 1 where they do\n"
    "  export            a checkpoint's parameters under Hugging Face's names, for models like GPT-2 and Llama\n"
    "  import            a checkpoint of such a file; import --help lists the keys that describe the model\n"
    "  --help            this text\n"
    "  --version         release and commit\n";

}  // namespace

int main(int argc, char** argv) {
  using namespace longspan;
  return run_program(argc, argv, [&](const Comm& world) {
    std::vector<std::string> words(argv + 1, argv + argc);
    const std::string first = words.empty() ? "" : words[0];
    if (first == "--help" || first == "--version") {
      const std::string version_line = std::format("longspan-inspect {} ({})\n", version(), git_hash());
      if (world.rank() == 0) std::cout << (first == "--help" ? kHelp : version_line);
      return 0;
    }
    if (world.size() > 1) {
      throw UserError("longspan-inspect runs on one rank, {} were started; leave out mpirun", world.size());
    }
    if (first != "export" && first != "import") return inspect_file(words);
    words.erase(words.begin());
    return first == "export" ? export_safetensors(words) : import_safetensors(words, world);
  });
}
