#include "base/machine.hpp"

#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <sstream>
#include <thread>

namespace longspan {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// What follows "NAME :" in a file of such lines.
std::string entry(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t colon = line.find(':');
    if (!line.starts_with(name) || colon == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

std::vector<std::string> names_in(const char* folder) {
  std::vector<std::string> names;
  std::error_code none;
  for (const fs::directory_entry& item : fs::directory_iterator(folder, none)) names.push_back(item.path().filename());
  std::ranges::sort(names);
  return names;
}

int count_allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

int count_numa_nodes() {
  const auto is_node = [](const std::string& name) {
    return name.starts_with("node") && name.find_first_not_of("0123456789", 4) == std::string::npos && name.size() > 4;
  };
  return static_cast<int>(std::ranges::count_if(names_in("/sys/devices/system/node"), is_node));
}

std::string describe_caches() {
  std::string text;
  const fs::path folder = "/sys/devices/system/cpu/cpu0/cache";
  for (const std::string& name : names_in(folder.c_str())) {
    if (!name.starts_with("index") || first_line(folder / name / "type") == "Instruction") continue;
    text += std::format("{}L{} {}", text.empty() ? "" : ", ", first_line(folder / name / "level"),
                        first_line(folder / name / "size"));
  }
  return text;
}

std::vector<std::string> find_interfaces() {
  std::vector<std::string> found;
  for (const std::string& name : names_in("/sys/class/net")) {
    const fs::path folder = fs::path("/sys/class/net") / name;
    if (name != "lo" && first_line(folder / "operstate") != "up") continue;
    const std::string megabits = first_line(folder / "speed");
    const bool known = !megabits.empty() && megabits != "-1";
    found.push_back(known ? std::format("{} ({} Mbit/s)", name, megabits) : name);
  }
  for (const std::string& name : names_in("/sys/class/infiniband")) found.push_back(name + " (InfiniBand)");
  return found;
}

}  // namespace

Machine find_machine() {
  std::int64_t kibibytes = 0;
  std::istringstream(entry("/proc/meminfo", "MemTotal")) >> kibibytes;
  return {.processor = entry("/proc/cpuinfo", "model name"),
          .cores = static_cast<int>(std::thread::hardware_concurrency()),
          .allowed_cores = count_allowed_cores(),
          .numa_nodes = count_numa_nodes(),
          .caches = describe_caches(),
          .memory = kibibytes * 1024,
          .interfaces = find_interfaces()};
}

std::int64_t peak_resident_bytes() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return std::int64_t{use.ru_maxrss} * 1024;
}

std::string file_system(const std::string& folder) {
  std::error_code none;
  const std::string path = fs::weakly_canonical(fs::absolute(folder, none), none).string() + "/";
  std::ifstream in("/proc/self/mounts");
  std::string kind, longest;
  // device, mount point, kind, ...; of the points above the folder the longest holds it, the last where one covers
  // another
  for (std::string device, point, type, rest; in >> device >> point >> type && std::getline(in, rest);) {
    const std::string above = point == "/" ? point : point + "/";
    if (!path.starts_with(above) || above.size() < longest.size()) continue;
    longest = above;
    kind = type;
  }
  return kind;
}

}  // namespace longspan
