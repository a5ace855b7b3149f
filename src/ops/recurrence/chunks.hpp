// One rank's run of tokens, cut into chunks of C positions: rows [B, T, Hx W] <-> chunks [N, R, C, W] in the
// accumulation dtype, of which N = ceil(T / C) and R = B H, or those of a window; in `reversed` order the last row
// comes first. Chunk after chunk is contiguous, so that one batched product runs over all heads of a chunk or over all
// chunks. Positions behind T are zero.
#pragma once

#include <cstdint>

#include "layout/split.hpp"
#include "ops/matmul.hpp"
#include "tensor/tensor.hpp"

namespace longspan::ops {

struct ChunkSizes {
  std::int64_t batch = 0, heads = 0, length = 0, chunk = 1;
  bool reversed = false;
  Range rows_shown, chunks_shown;  // the window: of B H (sequence, head) pairs and of the run's chunks

  static ChunkSizes whole(std::int64_t batch, std::int64_t heads, std::int64_t length, std::int64_t chunk,
                          bool reversed) {
    return {batch, heads, length, chunk, reversed, {0, batch * heads}, {0, (length + chunk - 1) / chunk}};
  }
  ChunkSizes window(const Range& rows, const Range& chunks) const {
    return {batch, heads, length, chunk, reversed, rows, chunks};
  }
  std::int64_t count() const { return chunks_shown.size(); }  // N
  std::int64_t rows() const { return rows_shown.size(); }     // R
  // Row of the t-th position: first() + step() t, and the other way round.
  std::int64_t first() const { return reversed ? length - 1 : 0; }
  std::int64_t step() const { return reversed ? -1 : 1; }
};

// Heads of x may be fewer: each then serves H / Hx neighbours.
Tensor to_chunks(const Tensor& x, std::int64_t x_heads, const ChunkSizes& size);
// x = or += (with `accumulate`) the chunks; summed over the heads that share one, all of which the window shows.
void from_chunks(const Tensor& chunks, std::int64_t x_heads, const ChunkSizes& size, const Tensor& x,
                 bool accumulate = false);

// t [..., m, n] as a batch of matrices.
MatrixRef matrices(const Tensor& t);
// The product of two such batches, or of every element n of the first dimension alone.
void multiply(const MatrixRef& a, const MatrixRef& b, const Tensor& c, bool accumulate = false);

}  // namespace longspan::ops
