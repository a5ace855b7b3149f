// longspan-inspect FILE: what it is and holds, whether it is whole, in what two checkpoints differ.
#include <iostream>

#include "checkpoint/compare.hpp"
#include "checkpoint/inspect.hpp"
#include "inspect/commands.hpp"

namespace longspan {
namespace {

constexpr int kDifferent = 1;

int compare(const std::string& one, const std::string& other) {
  const Comparison comparison = compare_checkpoints(one, other);
  std::cout << comparison.report << std::flush;
  return comparison.equal ? 0 : kDifferent;
}

int describe(const std::string& path, bool verify) {
  const Inspection inspection = inspect(path, verify);
  std::cout << inspection.report << std::flush;
  if (inspection.damaged.empty()) return 0;
  std::string names;
  for (const auto& name : inspection.damaged) names += (names.empty() ? "" : ", ") + name;
  throw UserError("{} is damaged: {}; use another copy", path, names);
}

}  // namespace

int inspect_file(const std::vector<std::string>& words) {
  const std::string file = words.empty() || words[0].starts_with("--") ? "" : words[0];
  const std::string option = words.size() > 1 ? words[1] : "";
  if (!file.empty() && words.size() == 1) return describe(file, false);
  if (!file.empty() && words.size() == 2 && option == "--verify") return describe(file, true);
  if (!file.empty() && words.size() == 3 && option == "--compare") return compare(file, words[2]);
  throw UserError("longspan-inspect takes FILE, FILE --verify, FILE --compare OTHER, export, import or --help");
}

}  // namespace longspan
