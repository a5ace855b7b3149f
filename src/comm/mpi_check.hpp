// Turns the return code of an MPI call into an EnvironmentError that names the operation and the group.
#pragma once

#include <mpi.h>

#include <string>

#include "base/error.hpp"

namespace longspan {

inline void check_mpi(int code, const char* what, const std::string& group) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw EnvironmentError("{} over the group '{}' failed: MPI says '{}'; see whether all ranks are still alive", what,
                         group, std::string(text, static_cast<std::size_t>(length)));
}

}  // namespace longspan
