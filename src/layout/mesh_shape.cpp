#include "layout/mesh_shape.hpp"

#include <format>

namespace longspan {

const char* to_string(Axis axis) {
  switch (axis) {
    case Axis::data:
      return "data";
    case Axis::tensor:
      return "tensor";
    case Axis::pipeline:
      return "pipeline";
    case Axis::sequence:
      return "sequence";
  }
  return "unknown";
}

int MeshShape::extent(Axis axis) const {
  switch (axis) {
    case Axis::data:
      return data;
    case Axis::tensor:
      return tensor;
    case Axis::pipeline:
      return pipeline;
    case Axis::sequence:
      return sequence;
  }
  return 1;
}

std::string MeshShape::str() const {
  return std::format("{}x{}x{}x{} (data x tensor x pipeline x sequence)", data, tensor, pipeline, sequence);
}

int MeshCoordinate::along(Axis axis) const {
  switch (axis) {
    case Axis::data:
      return data;
    case Axis::tensor:
      return tensor;
    case Axis::pipeline:
      return pipeline;
    case Axis::sequence:
      return sequence;
  }
  return 0;
}

MeshShape MeshShape::with(Axis axis, int extent) const {
  MeshShape shape = *this;
  switch (axis) {
    case Axis::data:
      shape.data = extent;
      break;
    case Axis::tensor:
      shape.tensor = extent;
      break;
    case Axis::pipeline:
      shape.pipeline = extent;
      break;
    case Axis::sequence:
      shape.sequence = extent;
      break;
  }
  return shape;
}

MeshCoordinate MeshCoordinate::with(Axis axis, int index) const {
  MeshCoordinate at = *this;
  switch (axis) {
    case Axis::data:
      at.data = index;
      break;
    case Axis::tensor:
      at.tensor = index;
      break;
    case Axis::pipeline:
      at.pipeline = index;
      break;
    case Axis::sequence:
      at.sequence = index;
      break;
  }
  return at;
}

int rank_of(const MeshShape& shape, const MeshCoordinate& at) {
  return ((at.pipeline * shape.data + at.data) * shape.sequence + at.sequence) * shape.tensor + at.tensor;
}

MeshCoordinate coordinate_of(const MeshShape& shape, int rank) {
  MeshCoordinate at;
  at.tensor = rank % shape.tensor;
  rank /= shape.tensor;
  at.sequence = rank % shape.sequence;
  rank /= shape.sequence;
  at.data = rank % shape.data;
  at.pipeline = rank / shape.data;
  return at;
}

}  // namespace longspan
