#include <algorithm>
#include <filesystem>
#include <format>
#include <functional>
#include <regex>
#include <vector>

#include "base/error.hpp"
#include "checkpoint/checkpoint.hpp"

namespace longspan {
namespace {

namespace fs = std::filesystem;

constexpr const char* kName = "step_[0-9]{8,}\\.h5";

fs::path folder_of(const std::string& run_folder) { return fs::path(run_folder) / "checkpoints"; }

struct Found {
  fs::file_time_type written;
  fs::path file;
  auto operator<=>(const Found&) const = default;
};

// Files whose name matches, newest first. A run that was started again, or from an older checkpoint, may leave higher
// steps behind that are older.
std::vector<fs::path> matching(const std::string& run_folder, const std::string& pattern) {
  std::vector<Found> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_of(run_folder), error)) {
    if (!std::regex_match(entry.path().filename().string(), std::regex(pattern))) continue;
    found.push_back({entry.last_write_time(error), entry.path()});
  }
  std::ranges::sort(found, std::greater());
  std::vector<fs::path> files;
  for (const Found& one : found) files.push_back(one.file);
  return files;
}

bool whole(const fs::path& file) {
  try {
    read_checkpoint_info(file.string());
    return true;
  } catch (const Error&) {
    return false;
  }
}

void remove_file(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  if (error) throw EnvironmentError("cannot remove the old checkpoint {}: {}", file.string(), error.message());
}

}  // namespace

std::string checkpoint_path(const std::string& run_folder, std::int64_t step) {
  return (folder_of(run_folder) / std::format("step_{:08}.h5", step)).string();
}

std::string latest_checkpoint(const std::string& run_folder) {
  const auto files = matching(run_folder, kName);
  const auto found = std::ranges::find_if(files, whole);
  return found == files.end() ? "" : found->string();
}

void prune_checkpoints(const std::string& run_folder, std::int64_t keep) {
  for (const auto& file : matching(run_folder, std::string(kName) + "\\.tmp")) remove_file(file);
  const auto files = matching(run_folder, kName);
  for (std::size_t i = static_cast<std::size_t>(keep); keep > 0 && i < files.size(); ++i) remove_file(files[i]);
}

}  // namespace longspan
