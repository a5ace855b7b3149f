#include "config/free_axis.hpp"

#include <string>

#include "base/error.hpp"

namespace longspan {

void fill_free_axis(ParallelConfig& parallel, std::int64_t ranks) {
  struct NamedAxis {
    const char* name;
    std::int64_t* extent;
  };
  const NamedAxis axes[] = {{"data", &parallel.data},
                            {"tensor", &parallel.tensor},
                            {"pipeline", &parallel.pipeline},
                            {"sequence", &parallel.sequence}};
  const NamedAxis* open = nullptr;
  std::int64_t others = 1;
  for (const NamedAxis& axis : axes) {
    if (*axis.extent < 0) return;  // check() has the sentence for it
    if (*axis.extent > 0) {
      others *= *axis.extent;
    } else if (open == nullptr) {
      open = &axis;
    } else {
      throw UserError(
          "parallel.{} and parallel.{} are both 0, but only one axis can take the ranks that the others "
          "leave; set one of them",
          open->name, axis.name);
    }
  }
  if (open == nullptr) return;
  if (ranks % others != 0) {
    throw UserError(
        "parallel.{} = 0 takes the ranks that the other axes leave, but {} {} started and the others need a "
        "multiple of {}; start one or change parallel.*",
        open->name, ranks, ranks == 1 ? "was" : "were", others);
  }
  *open->extent = ranks / others;
}

}  // namespace longspan
