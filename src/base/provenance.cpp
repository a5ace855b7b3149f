#include "base/provenance.hpp"

#include <unistd.h>

#include <array>
#include <chrono>
#include <format>

#include "base/version.hpp"

namespace longspan {

std::string utc_time_now() {
  return std::format("{:%FT%TZ}", std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

Provenance make_provenance(const std::string& config, const std::string& mesh) {
  std::array<char, 256> host{};
  const bool named = gethostname(host.data(), host.size() - 1) == 0;
  return {version(), git_hash(), config, mesh, named ? host.data() : "unknown", utc_time_now()};
}

}  // namespace longspan
