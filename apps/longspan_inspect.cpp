// longspan-inspect: what a file of Longspan is, holds and whether it is whole.
#include <format>
#include <iostream>
#include <string>

#include "base/error.hpp"
#include "base/version.hpp"
#include "checkpoint/inspect.hpp"
#include "comm/runtime.hpp"

namespace {

constexpr const char* kHelp =
    "longspan-inspect FILE\n"
    "What a checkpoint, metrics file or token store is: origin, configuration, tensors with their shapes, element "
    "types\n"
    "and bytes. Reads all of it and compares every checksum; a damaged file ends with exit code 2. On one rank.\n"
    "\n"
    "  --help       this text\n"
    "  --version    release and commit\n";

int inspect_file(const std::string& path) {
  const longspan::Inspection inspection = longspan::inspect(path);
  std::cout << inspection.report << std::flush;
  if (inspection.damaged.empty()) return 0;
  std::string names;
  for (const auto& name : inspection.damaged) names += (names.empty() ? "" : ", ") + name;
  throw longspan::UserError("{} is damaged: {}; use another copy", path, names);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace longspan;
  return run_program(argc, argv, [&](const Comm& world) {
    const std::string word = argc == 2 ? argv[1] : "";
    if (word == "--help" || word == "--version") {
      const std::string version_line = std::format("longspan-inspect {} ({})\n", version(), git_hash());
      if (world.rank() == 0) std::cout << (word == "--help" ? kHelp : version_line);
      return 0;
    }
    if (word.empty() || word.starts_with("--")) {
      throw UserError("longspan-inspect takes the name of one file, or --help");
    }
    if (world.size() > 1) {
      throw UserError("longspan-inspect runs on one rank, {} were started; leave out mpirun", world.size());
    }
    return inspect_file(word);
  });
}
