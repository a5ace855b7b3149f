// The mesh: ranks on four axes. The tensor axis is the fastest (its ranks talk most and should be neighbours), then
// sequence, data, and pipeline the slowest:
//   rank = ((p * data + d) * sequence + s) * tensor + t
#pragma once

#include <array>
#include <string>

namespace longspan {

enum class Axis { data, tensor, pipeline, sequence };
inline constexpr std::array<Axis, 4> kAxes = {Axis::data, Axis::tensor, Axis::pipeline, Axis::sequence};
const char* to_string(Axis axis);

struct MeshShape {
  int data = 1, tensor = 1, pipeline = 1, sequence = 1;

  int size() const { return data * tensor * pipeline * sequence; }
  int extent(Axis axis) const;
  MeshShape with(Axis axis, int extent) const;
  // "2x1x2x1 (data x tensor x pipeline x sequence)"
  std::string str() const;
  bool operator==(const MeshShape&) const = default;
};

struct MeshCoordinate {
  int data = 0, tensor = 0, pipeline = 0, sequence = 0;

  int along(Axis axis) const;
  MeshCoordinate with(Axis axis, int index) const;
  bool operator==(const MeshCoordinate&) const = default;
};

int rank_of(const MeshShape& shape, const MeshCoordinate& at);
MeshCoordinate coordinate_of(const MeshShape& shape, int rank);

}  // namespace longspan
