// How a parameter is split: whole on every rank, or one dimension shared by the ranks of one axis.
//   tensor    balanced pieces of whole granules (a granule keeps the rows of one head together)
//   sequence  the dimension counts positions: a rank holds those of its SequenceShard
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "layout/mesh_shape.hpp"
#include "layout/sequence_shard.hpp"
#include "layout/split.hpp"

namespace longspan {

struct ParameterShard {
  int dim = -1;                            // the dimension that is split; -1: replicated
  std::int64_t granule = 1;                // tensor axis: entries that stay together
  Axis axis = Axis::tensor;                // whose ranks share the dimension
  ShardKind kind = ShardKind::contiguous;  // sequence axis: which positions a rank holds

  static ParameterShard by_position(int dim, ShardKind kind) { return {dim, 1, Axis::sequence, kind}; }

  bool replicated() const { return dim < 0; }
  bool over(Axis a) const { return !replicated() && axis == a; }
  // The axis whose ranks hold different parts, if any.
  std::optional<Axis> split_axis() const { return replicated() ? std::nullopt : std::optional(axis); }
  // The number of different parts on a mesh.
  int parts(const MeshShape& mesh) const { return replicated() ? 1 : mesh.extent(axis); }

  // Which of the n entries of the dimension (of dimension 0 where all are replicated) `part` of parts() holds, and in
  // which of its rows; empty where it holds nothing. On the tensor axis n is a multiple of the granule and there is at
  // most one run.
  std::vector<PositionRun> runs(std::int64_t n, int parts, int part) const {
    if (over(Axis::sequence)) return SequenceShard(kind, n, parts, part).runs();
    const Range r = replicated() ? Range{0, n} : split(n / granule, parts, part);
    if (r.size() == 0) return {};
    return {{.row = 0, .first = r.begin * granule, .count = r.size() * granule}};
  }
};

// Of the ranks of one stage that hold the same part of a parameter: which one this is, in the order of world ranks.
// They are those of the data, sequence and tensor axes but for the axis that splits the parameter.
struct Holder {
  int index = 0, count = 1;
};
inline Holder holder_of(std::optional<Axis> split_axis, const MeshShape& mesh, const MeshCoordinate& at) {
  Holder holder;
  for (const Axis axis : {Axis::data, Axis::sequence, Axis::tensor}) {
    if (split_axis == axis) continue;
    holder.index = holder.index * mesh.extent(axis) + at.along(axis);
    holder.count *= mesh.extent(axis);
  }
  return holder;
}

// Local entries in all.
inline std::int64_t count_entries(const std::vector<PositionRun>& runs) {
  return runs.empty() ? 0 : runs.back().row + runs.back().count;
}

}  // namespace longspan
