// The main of every fuzzer. Compiled by AFL++ it takes inputs from afl-fuzz in one process; otherwise it reads
// the files, or the folders of files, that it is given, each as it is and damaged in some ways (support/mutations.hpp).
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <vector>

#include "support/mutations.hpp"
#include "target.hpp"

#ifdef __AFL_FUZZ_TESTCASE_LEN
#include <unistd.h>

__AFL_FUZZ_INIT();

int main() {
  __AFL_INIT();
  const unsigned char* const input = __AFL_FUZZ_TESTCASE_BUF;
  while (__AFL_LOOP(10000)) {
    longspan::fuzz::fuzz_one(std::string(reinterpret_cast<const char*>(input), __AFL_FUZZ_TESTCASE_LEN));
  }
}

#else

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(int argc, char** argv) {
  std::vector<fs::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!fs::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const fs::directory_entry& entry : fs::directory_iterator(argv[i])) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<fs::path> files = files_of(argc, argv);
  if (files.empty()) {
    std::cerr << "name inputs, or folders of them: " << argv[0] << " tests/fuzz/corpus/TARGET\n";
    return 2;
  }
  const int variants = longspan::testing::mutation_count(20);
  for (const fs::path& file : files) {
    std::ostringstream content;
    content << std::ifstream(file, std::ios::binary).rdbuf();
    longspan::fuzz::fuzz_one(content.str());
    longspan::testing::Mutations mutations(files.size());
    for (int i = 0; i < variants; ++i) longspan::fuzz::fuzz_one(mutations.of(content.str()));
  }
  std::cout << files.size() << " inputs, each with " << variants << " damaged variants: none crashed\n";
}

#endif
