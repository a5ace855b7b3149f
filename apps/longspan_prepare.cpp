// longspan-prepare: text files to a token store, the corpus of a training run.
#include <format>
#include <iostream>

#include "base/error.hpp"
#include "base/version.hpp"
#include "comm/runtime.hpp"
#include "data/prepare.hpp"
#include "tensor/memory.hpp"

int main(int argc, char** argv) {
  using namespace longspan;
  return run_program(argc, argv, [&](const Comm& world) {
    PrepareConfig config;
    Options options("longspan-prepare",
                    "Text files to a token store, on one rank:\n"
                    "  longspan-prepare --prepare.input books,notes/*.md --prepare.output corpus.h5");
    bind(options, config);
    const Options::Action action = options.parse(argc, argv);
    if (action == Options::Action::help || action == Options::Action::version) {
      const std::string version_line = std::format("longspan-prepare {} ({})\n", version(), git_hash());
      if (world.rank() == 0) std::cout << (action == Options::Action::help ? options.help() : version_line);
      return 0;
    }
    if (world.size() > 1) {
      throw UserError("longspan-prepare runs on one rank, {} were started; leave out mpirun", world.size());
    }
    check(config);
    const std::vector<CorpusFile> files = find_files(config.input, config.extensions);
    if (action == Options::Action::dry_run) {
      double bytes = 0;
      for (const auto& file : files) bytes += static_cast<double>(file.bytes);
      std::cout << options.resolved() << std::format("\n{} files, {}\n", files.size(), format_bytes(bytes));
      return 0;
    }
    const PrepareReport report = prepare(config, files, [](const std::string& line) { std::cerr << line << "\n"; });
    std::cout << report.str() << std::format("written to        {}\n", config.output);
    return 0;
  });
}
