// Where a result comes from; written into every file that a run leaves behind.
#pragma once

#include <string>

namespace longspan {

struct Provenance {
  std::string version, git_hash;  // of the program
  std::string config;             // the full resolved configuration
  std::string mesh;               // "2x1x2x1 (data x tensor x pipeline x sequence)"
  std::string host;               // of rank 0
  std::string time;               // UTC, "2026-11-24T20:00:00Z"
};

// Of this program, machine and moment.
Provenance make_provenance(const std::string& config, const std::string& mesh);

std::string utc_time_now();

}  // namespace longspan
