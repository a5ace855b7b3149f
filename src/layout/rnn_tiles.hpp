// Tiles of the product of every step of a recurrence, [rows, K] x [K, columns] with a few rows of a batch: the search
// of a small integer constraint problem (the idea of ConstrINT in FlashRNN, Poeppel et al. 2024).
#pragma once

#include <cstdint>

namespace longspan {

struct RnnMachine {
  std::int64_t threads = 1;     // that run tiles at once
  std::int64_t lanes = 8;       // values of a vector register
  std::int64_t registers = 16;  // vector registers of a thread
};

struct RnnProblem {
  std::int64_t batch = 1, heads = 1;  // rows and matrices: a tile of rows goes through all steps of a head alone
  std::int64_t columns = 1;           // of a head's matrix
};

struct RnnTiles {
  std::int64_t rows = 1;   // 1, 2, 4 or 8
  std::int64_t lanes = 1;  // columns in registers, in whole vectors: 1, 2 or 4
  bool operator==(const RnnTiles&) const = default;
};

// Constraints: rows x lanes sums, `lanes` weights and one state fit into the registers; no more rows than the batch has
// and no more lanes than the matrix has; every thread has a tile, where the batch allows it. Of the tiles that fulfil
// them, the one with the fewest loads for a product and vector, columns of padding included.
RnnTiles choose_rnn_tiles(const RnnProblem& problem, const RnnMachine& machine);

}  // namespace longspan
