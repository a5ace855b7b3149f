// A program whose ranks fail in the way that its argument names; failing_rank_test.sh looks at how it ends.
#include <unistd.h>

#include <new>
#include <string>

#include "comm/runtime.hpp"
#include "train/watchdog.hpp"

namespace longspan {
namespace {

int body(const Comm& world, const std::string& way, Watchdog& watchdog) {
  const bool last = world.rank() == world.size() - 1;
  const Tensor t = Tensor::zeros({5}, Dtype::float32);
  if (way == "all") throw UserError("model.width = {} is odd; make it even", 7);
  if (way == "each") throw UserError("rank {} dislikes its part", world.rank());
  if (way == "check") LONGSPAN_CHECK(t.size() == 6, "[failing_rank] {} elements", t.size());
  if (way == "memory") throw std::bad_alloc();
  if (way == "code") return 75;
  if (way == "pending") {  // a message that never comes is under way while every rank fails
    const Request request = world.receive_async(t, (world.rank() + 1) % world.size(), 0);
    throw DivergedError("the loss is not finite at step {}", 3);
  }
  if (way == "one" && last) throw EnvironmentError("the disk of {} is full; free some space", "node7");
  if (way == "one") world.barrier();
  if (way == "late") {  // the others are done and wait for MPI to end
    if (last) sleep(30);
    if (world.rank() == 0) watchdog.start(0.5, 0, world.rank());
    watchdog.progress("its end");
  }
  if (way == "gone" && last) throw UserError("the last rank read a broken file");
  return 0;
}

}  // namespace
}  // namespace longspan

int main(int argc, char** argv) {
  const std::string way = argc > 1 ? argv[1] : "";
  longspan::Watchdog watchdog;
  return longspan::run_program(argc, argv,
                               [&](const longspan::Comm& world) { return longspan::body(world, way, watchdog); });
}
