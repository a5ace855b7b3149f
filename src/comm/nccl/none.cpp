// Of builds without NCCL.
#include "comm/nccl.hpp"

#include <cstdlib>

namespace longspan::nccl {
namespace {

[[noreturn]] void missing() {
  LONGSPAN_CHECK(false, "[nccl] this build has no NCCL");
  std::abort();
}

}  // namespace

bool takes(const Tensor&, bool, Reduce) { return false; }
void all_reduce(const Comm&, const Tensor&) { missing(); }
void all_gather(const Comm&, const Tensor&, const std::vector<std::int64_t>&, const std::vector<std::int64_t>&) {
  missing();
}
void reduce_scatter(const Comm&, const Tensor&, const Tensor&, const std::vector<std::int64_t>&,
                    const std::vector<std::int64_t>&) {
  missing();
}

}  // namespace longspan::nccl
