#include "layout/rnn_tiles.hpp"

#include <algorithm>
#include <limits>

namespace longspan {
namespace {

std::int64_t count(std::int64_t n, std::int64_t size) { return (n + size - 1) / size; }

bool fits(const RnnTiles& tile, const RnnMachine& machine) {
  return tile.rows * tile.lanes + tile.lanes + 1 <= machine.registers;
}

// Tiles that threads take through all steps; the smallest tiles make the most of them.
bool occupies(const RnnTiles& tile, const RnnProblem& problem, const RnnMachine& machine) {
  const std::int64_t wanted = std::min(machine.threads, problem.batch * problem.heads);
  return count(problem.batch, tile.rows) * problem.heads >= wanted;
}

// Loads of weights and states for each row and vector of columns that are wanted.
double loads(const RnnTiles& tile, const RnnProblem& problem, const RnnMachine& machine) {
  const std::int64_t tiles = count(problem.batch, tile.rows) * count(problem.columns, tile.lanes * machine.lanes);
  const std::int64_t wanted = problem.batch * count(problem.columns, machine.lanes);
  return static_cast<double>(tiles * (tile.rows + tile.lanes)) / static_cast<double>(wanted);
}

}  // namespace

RnnTiles choose_rnn_tiles(const RnnProblem& problem, const RnnMachine& machine) {
  RnnTiles best;
  double fewest = std::numeric_limits<double>::infinity();
  for (const std::int64_t rows : {1, 2, 4, 8}) {
    for (const std::int64_t lanes : {1, 2, 4}) {
      const RnnTiles tile{rows, lanes};
      if (rows > std::max<std::int64_t>(1, problem.batch) || lanes > count(problem.columns, machine.lanes)) continue;
      if (!fits(tile, machine) || !occupies(tile, problem, machine)) continue;
      const double cost = loads(tile, problem, machine);
      if (cost < fewest) {
        fewest = cost;
        best = tile;
      }
    }
  }
  return best;
}

}  // namespace longspan
