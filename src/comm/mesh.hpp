// The four axes of the mesh as communicators, and the products of axes that algorithms need.
#pragma once

#include <memory>
#include <optional>

#include "comm/comm.hpp"
#include "layout/mesh_shape.hpp"

namespace longspan {

class Mesh {
 public:
  // Collective over all ranks of `world`. Throws UserError where shape.size() is not the number of ranks: the same
  // sentence on every rank. The sequence axis is made of groups of `sequence_inner` neighbours (a divisor of it). All
  // groups of a phantom world are phantoms: shape-only execution plays any rank of any mesh.
  Mesh(const Comm& world, const MeshShape& shape, int sequence_inner = 1);

  const MeshShape& shape() const { return shape_; }
  const MeshCoordinate& at() const { return at_; }

  const Comm& world() const { return world_; }
  const Comm& data() const { return data_; }
  const Comm& tensor() const { return tensor_; }
  const Comm& pipeline() const { return pipeline_; }
  const Comm& sequence() const { return sequence_; }
  const Comm& axis(Axis axis) const;
  // The neighbours on the sequence axis, and the ranks at this rank's place among theirs; both count as "sequence".
  const Comm& sequence_inner() const { return sequence_inner_; }
  const Comm& sequence_outer() const { return sequence_outer_; }
  const Comm& self() const { return self_; }          // this rank alone
  const Comm& replicas() const { return replicas_; }  // data x sequence: the same model, other tokens
  const Comm& model() const { return model_; }        // tensor x pipeline: ranks that together hold one model
  // Who holds the same part of a parameter of a stage: all of the stage where it is whole on each rank, `replicas`
  // where the tensor axis splits it, data x tensor where the sequence axis does.
  const Comm& holders(std::optional<Axis> split_axis) const;
  // First and last pipeline stage, which share a tied embedding; a group of one on middle stages or one stage.
  const Comm& ends() const { return ends_; }

  bool first_stage() const { return at_.pipeline == 0; }
  bool last_stage() const { return at_.pipeline + 1 == shape_.pipeline; }

 private:
  MeshShape shape_;
  MeshCoordinate at_;
  Comm world_, data_, tensor_, pipeline_, sequence_, sequence_inner_, sequence_outer_, self_, replicas_, model_;
  Comm stage_, positions_, ends_;
};

}  // namespace longspan
