// A ring of S ranks that passes blocks upwards: at step j rank s holds the block of rank (s - j) mod S.
#pragma once

namespace longspan {

constexpr int ring_next(int rank, int size) { return (rank + 1) % size; }
constexpr int ring_previous(int rank, int size) { return (rank + size - 1) % size; }
constexpr int ring_owner(int rank, int step, int size) { return ((rank - step) % size + size) % size; }

}  // namespace longspan
