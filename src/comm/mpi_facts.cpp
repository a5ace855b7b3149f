#include "comm/mpi_facts.hpp"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <format>

#include "comm/handle.hpp"
#include "comm/mpi_check.hpp"

namespace longspan {
namespace {

// A text setting of the library, through MPI's tool interface; empty where there is none of that name.
std::string setting(const char* name) {
  int index = 0, count = 0;
  if (MPI_T_cvar_get_index(name, &index) != MPI_SUCCESS) return "";
  MPI_T_cvar_handle handle = MPI_T_CVAR_HANDLE_NULL;
  if (MPI_T_cvar_handle_alloc(index, nullptr, &handle, &count) != MPI_SUCCESS) return "";
  std::string text(static_cast<std::size_t>(count) + 1, '\0');
  const bool read = MPI_T_cvar_read(handle, text.data()) == MPI_SUCCESS;
  MPI_T_cvar_handle_free(&handle);
  return read ? text.c_str() : "";
}

std::string describe_transports() {
  int provided = 0;
  if (MPI_T_init_thread(MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) return "";
  std::string text;
  for (const char* layer : {"pml", "mtl", "btl"}) {
    const std::string names = setting(layer);
    if (!names.empty()) text += std::format("{}{} {}", text.empty() ? "" : ", ", layer, names);
  }
  MPI_T_finalize();
  return text;
}

const char* thread_level_name(int level) {
  switch (level) {
    case MPI_THREAD_SINGLE:
      return "single";
    case MPI_THREAD_FUNNELED:
      return "funneled";
    case MPI_THREAD_SERIALIZED:
      return "serialized";
    default:
      return "multiple";
  }
}

}  // namespace

MpiFacts mpi_facts() {
  MpiFacts facts;
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> library{};
  int length = 0, version = 0, subversion = 0, level = 0;
  MPI_Get_library_version(library.data(), &length);
  facts.library.assign(library.data());
  facts.library.resize(std::min(facts.library.size(), facts.library.find_first_of("\n")));
  MPI_Get_version(&version, &subversion);
  facts.standard = std::format("{}.{}", version, subversion);
  MPI_Query_thread(&level);
  facts.thread_level = thread_level_name(level);
  facts.transports = describe_transports();
#ifdef LONGSPAN_GPU_AWARE_MPI
  facts.device_pointers = true;
#endif
  return facts;
}

Placement placement(const Comm& world) {
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(native(world), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
            "finding the ranks of this machine", world.name());
  Placement found;
  int rank = 0;
  MPI_Comm_rank(node, &rank);
  MPI_Comm_size(node, &found.ranks_here);
  MPI_Comm_free(&node);
  found.nodes = static_cast<int>(world.all_reduce_value(std::int64_t{rank == 0 ? 1 : 0}));
  return found;
}

}  // namespace longspan
