// Which tiles of the score matrix one visit computes: rows of queries by columns of keys, both evenly spaced positions.
// Tiles that no query sees are left out and the key range is cut to what some query of the tile sees, so that a causal
// triangle costs little more than its visible pairs. Integers and pointers only, no kernels.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "layout/split.hpp"
#include "ops/attention.hpp"
#include "ops/matmul.hpp"

namespace longspan::ops::detail {

struct AttentionShape {
  std::int64_t batch, heads, key_heads, queries, keys, width;

  AttentionShape(const Tensor& q, const Tensor& k, const Tensor& v);
  std::int64_t pairs() const { return batch * key_heads; }  // (sequence, key head)
  std::int64_t group() const { return heads / key_heads; }  // query heads of a key head
};

// One tile of `pairs` (sequence, key head) pairs at once, for query head `member` of each key head.
struct AttentionTile {
  PositionRun queries, keys;
  std::int64_t first_pair, pairs, member, group;

  // The tile's rows of a [B, H, Tq, K] or a [B, Hk, Tk, K] tensor, one matrix for each pair.
  MatrixRef query_rows(const Tensor& x) const { return rows(x, first_pair * group + member, group, queries); }
  MatrixRef key_rows(const Tensor& x) const { return rows(x, first_pair, 1, keys); }
  // The tile's scores [queries, keys] in a workspace, one matrix after the other.
  MatrixRef scores(const Tensor& workspace) const;

 private:
  static MatrixRef rows(const Tensor& x, std::int64_t head, std::int64_t step, const PositionRun& run);
};

// The pieces of a run of at most `rows` rows each.
std::vector<PositionRun> cut(const PositionRun& run, std::int64_t rows);
std::vector<PositionRun> cut_runs(const std::vector<PositionRun>& runs, std::int64_t rows);

// Throws where runs reach beyond the rows, or leave queries out.
void check_runs(const AttentionRules& rules, const AttentionShape& shape, const std::vector<PositionRun>& key_runs);

// For each query tile and sequence the smallest interval that holds all visible keys: [tiles, B].
std::vector<Range> visible_spans(const AttentionRules& rules, const AttentionShape& shape,
                                 const std::vector<PositionRun>& tiles);

// The rows of a run that hold positions of `span`, rounded outwards to multiples of `grain` rows of the run, so that
// few different sizes of products occur.
PositionRun clip(const PositionRun& run, const Range& span, std::int64_t grain);

// Calls `body` for every tile, in an order that does not depend on the machine's load. Tiles that add to the same rows
// follow each other. In shape-only execution one tile of each size stands for all: what counts is the workspace of its
// products.
void for_each_tile(const AttentionRules& rules, const AttentionShape& shape, const std::vector<PositionRun>& key_runs,
                   const std::function<void(const AttentionTile&)>& body);

// Room for the scores of the largest tile.
Tensor tile_workspace(const AttentionShape& shape, Dtype dtype, const char* label);

}  // namespace longspan::ops::detail
