#include <algorithm>
#include <filesystem>
#include <format>
#include <functional>
#include <regex>
#include <sstream>
#include <string>
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

bool readable(const std::string& file) {
  try {
    read_checkpoint_info(file);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The digits of step_00000100.h5.
std::int64_t step_of(const fs::path& file) { return std::stoll(file.stem().string().substr(5)); }

void remove_file(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  if (error) throw EnvironmentError("cannot remove the old checkpoint {}: {}", file.string(), error.message());
}

}  // namespace

std::string checkpoint_path(const std::string& run_folder, std::int64_t step) {
  return (folder_of(run_folder) / std::format("step_{:08}.h5", step)).string();
}

std::vector<std::string> list_checkpoints(const std::string& run_folder) {
  std::vector<std::string> files;
  for (const auto& file : matching(run_folder, kName)) files.push_back(file.string());
  return files;
}

std::string latest_checkpoint(const std::string& run_folder) {
  const auto files = list_checkpoints(run_folder);
  const auto found = std::ranges::find_if(files, readable);
  return found == files.end() ? "" : *found;
}

void prune_checkpoints(const std::string& run_folder, std::int64_t keep, std::int64_t keep_every) {
  for (const auto& file : matching(run_folder, std::string(kName) + "\\.tmp")) remove_file(file);
  const auto files = matching(run_folder, kName);
  for (std::size_t i = static_cast<std::size_t>(keep); keep > 0 && i < files.size(); ++i) {
    const bool milestone = keep_every > 0 && step_of(files[i]) % keep_every == 0;
    if (!milestone) remove_file(files[i]);
  }
}

ResumePoint find_resume_point(const std::string& run_folder, const Comm& comm) {
  std::string names;  // one a line, as rank 0 sees them
  if (comm.rank() == 0) {
    for (const std::string& file : list_checkpoints(run_folder)) names += file + "\n";
  }
  std::istringstream lines(comm.broadcast_text(names, 0));
  ResumePoint point;
  for (std::string file; std::getline(lines, file);) {
    try {
      verify_checkpoint(file, comm);
      point.file = file;
      return point;
    } catch (const UserError& error) {
      point.warnings.push_back(error.what());
    }
  }
  if (point.warnings.empty()) return point;
  throw UserError("no checkpoint in {} is whole ({}); name another file with run.resume, or start again with never",
                  folder_of(run_folder).string(), point.warnings.front());
}

}  // namespace longspan
