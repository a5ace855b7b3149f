#include "comm/mesh.hpp"

#include <initializer_list>

namespace longspan {
namespace {

const MeshShape& fitting(const Comm& world, const MeshShape& shape) {
  for (const Axis axis : kAxes) {
    if (shape.extent(axis) < 1) {
      throw UserError("parallel.{} = {} is not a number of ranks; it must be 1 or more", to_string(axis),
                      shape.extent(axis));
    }
  }
  if (shape.size() != world.size()) {
    throw UserError("the mesh {} needs {} {}, but {} {} started; start mpirun -n {} or change parallel.*", shape.str(),
                    shape.size(), shape.size() == 1 ? "rank" : "ranks", world.size(),
                    world.size() == 1 ? "was" : "were", shape.size());
  }
  return shape;
}

// The ranks that differ from this one along `axes` only, in the order of their world ranks. The one at coordinate 0 of
// all these axes names the group.
Comm group_along(const Mesh& mesh, const char* name, std::initializer_list<Axis> axes) {
  MeshCoordinate origin = mesh.at();
  for (const Axis axis : axes) origin = origin.with(axis, 0);
  if (!mesh.world().is_phantom()) return mesh.world().split(name, rank_of(mesh.shape(), origin), mesh.world().rank());
  // The group is a mesh of its own, of extent 1 along all other axes.
  MeshShape group;
  MeshCoordinate at;
  for (const Axis axis : axes) {
    group = group.with(axis, mesh.shape().extent(axis));
    at = at.with(axis, mesh.at().along(axis));
  }
  return Comm::phantom(name, group.size(), rank_of(group, at));
}

// A part of the sequence axis that holds this rank as its rank `rank` of `size`; `color` tells the parts apart.
Comm part_of_sequence(const Comm& sequence, const char* name, int color, int size, int rank) {
  return sequence.is_phantom() ? Comm::phantom(name, size, rank) : sequence.split(name, color, sequence.rank());
}

// A rank of a middle stage stays alone: colors from world.size() on are nobody else's.
Comm group_of_ends(const Mesh& mesh) {
  const Comm& world = mesh.world();
  const bool end = mesh.first_stage() || mesh.last_stage();
  if (world.is_phantom()) {
    const bool two = end && mesh.shape().pipeline > 1;
    return Comm::phantom("ends", two ? 2 : 1, two && mesh.last_stage() ? 1 : 0);
  }
  const int color = end ? rank_of(mesh.shape(), mesh.at().with(Axis::pipeline, 0)) : world.size() + world.rank();
  return world.split("ends", color, world.rank());
}

}  // namespace

Mesh::Mesh(const Comm& world, const MeshShape& shape, int sequence_inner)
    : shape_(fitting(world, shape)),
      at_(coordinate_of(shape, world.rank())),
      world_(world),
      data_(group_along(*this, "data", {Axis::data})),
      tensor_(group_along(*this, "tensor", {Axis::tensor})),
      pipeline_(group_along(*this, "pipeline", {Axis::pipeline})),
      sequence_(group_along(*this, "sequence", {Axis::sequence})),
      sequence_inner_(part_of_sequence(sequence_, "sequence", at_.sequence / sequence_inner, sequence_inner,
                                       at_.sequence % sequence_inner)),
      sequence_outer_(part_of_sequence(sequence_, "sequence", at_.sequence % sequence_inner,
                                       shape.sequence / sequence_inner, at_.sequence / sequence_inner)),
      self_(part_of_sequence(sequence_, "self", at_.sequence, 1, 0)),
      replicas_(group_along(*this, "replicas", {Axis::data, Axis::sequence})),
      model_(group_along(*this, "model", {Axis::tensor, Axis::pipeline})),
      stage_(group_along(*this, "stage", {Axis::data, Axis::sequence, Axis::tensor})),
      positions_(group_along(*this, "positions", {Axis::data, Axis::tensor})),
      ends_(group_of_ends(*this)) {}

const Comm& Mesh::holders(std::optional<Axis> split_axis) const {
  if (!split_axis) return stage_;
  LONGSPAN_CHECK(split_axis == Axis::tensor || split_axis == Axis::sequence, "[mesh] no parameter is split over {}",
                 to_string(*split_axis));
  return split_axis == Axis::tensor ? replicas_ : positions_;
}

const Comm& Mesh::axis(Axis axis) const {
  switch (axis) {
    case Axis::data:
      return data_;
    case Axis::tensor:
      return tensor_;
    case Axis::pipeline:
      return pipeline_;
    case Axis::sequence:
      return sequence_;
  }
  return world_;
}

}  // namespace longspan
