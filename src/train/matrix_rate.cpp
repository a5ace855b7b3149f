#include "train/matrix_rate.hpp"

#include "comm/runtime.hpp"
#include "ops/matmul.hpp"

namespace longspan {

double total_matrix_rate(const Session& session) {
  const Comm& world = session.mesh().world();
  const std::int64_t width = session.config().model.width;
  world.barrier();
  const double rate = one_of_the_cores() ? ops::measure_matrix_rate(session.dtype(), 1024, width, width, 0.2) : 0;
  return world.all_reduce_value(rate);
}

}  // namespace longspan
