// Which global positions of a sequence of T tokens each rank of the sequence axis holds.
//   contiguous  rank s holds one range of T/S positions
//   zigzag      2S chunks; rank s holds chunks s and 2S-1-s, so that causal attention costs every rank the same
//   striped     rank s holds positions s, s+S, s+2S, ...
// Any T is allowed: chunks differ by at most one position and may be empty. Position encodings, masks, losses and
// loaders ask this object; nobody else computes positions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "layout/split.hpp"

namespace longspan {

enum class ShardKind { contiguous, zigzag, striped };
const char* to_string(ShardKind kind);

// Local rows [row, row + count) hold positions first, first + stride, first + 2 stride, ...
struct PositionRun {
  std::int64_t row = 0, first = 0, count = 0, stride = 1;
  std::int64_t position(std::int64_t i) const { return first + i * stride; }
  std::int64_t last() const { return first + (count - 1) * stride; }  // needs count > 0
  bool operator==(const PositionRun&) const = default;
};

class SequenceShard {
 public:
  SequenceShard(ShardKind kind, std::int64_t length, int parts, int part);

  ShardKind kind() const { return kind_; }
  std::int64_t global_length() const { return length_; }
  int parts() const { return parts_; }
  int part() const { return part_; }

  // This rank's rows: their number, their runs (non-empty, ascending rows and positions) and their positions.
  std::int64_t local_length() const { return local_length(part_); }
  const std::vector<PositionRun>& runs() const { return runs_; }
  std::vector<std::int64_t> positions() const;

  // The same for any rank of the axis.
  std::int64_t local_length(int part) const;
  std::vector<PositionRun> runs(int part) const;
  std::int64_t longest() const;  // the largest local_length over the parts

  // The same cut seen by another part.
  SequenceShard of_part(int part) const;
  // Parts g*size .. g*size + size-1 together as part g, with their rows in the order of positions where that makes
  // longer runs: what a rank holds after an all-to-all within a group of `size` neighbours. `size` divides parts().
  SequenceShard grouped(int size) const;

  // Who holds a position, and in which local row.
  struct Place {
    int part;
    std::int64_t row;
    bool operator==(const Place&) const = default;
  };
  Place place(std::int64_t position) const;

 private:
  std::vector<PositionRun> runs_of_base(int base_part) const;  // of the cut before grouping

  ShardKind kind_;
  std::int64_t length_;
  int parts_, part_;
  int group_ = 1;  // base parts that one part stands for
  std::vector<PositionRun> runs_;
};

// Rows of a base part and where they stand in its group: row + i of the part is row to + i * step of the group.
struct RowMove {
  std::int64_t row, to, count, step;
  bool operator==(const RowMove&) const = default;
};
std::vector<RowMove> rows_in_group(const SequenceShard& base, int part, int group_size);

// The runs of rows [rows.begin, rows.end), renumbered from 0.
std::vector<PositionRun> slice_runs(const std::vector<PositionRun>& runs, const Range& rows);

}  // namespace longspan
