#include "comm/mesh.hpp"

#include <gtest/gtest.h>

#include "layout/parameter_shard.hpp"
#include "support/world.hpp"

namespace longspan {
namespace {

std::vector<MeshShape> shapes_of(int ranks) {
  std::vector<MeshShape> shapes;
  for (int d = 1; d <= ranks; ++d) {
    for (int t = 1; d * t <= ranks; ++t) {
      for (int p = 1; d * t * p <= ranks; ++p) {
        if (ranks % (d * t * p) == 0) shapes.push_back({d, t, p, ranks / (d * t * p)});
      }
    }
  }
  return shapes;
}

// World ranks of the group in the order of the group.
std::vector<double> members(const Comm& group) { return group.all_gather_value(static_cast<double>(world().rank())); }

// Those ranks whose coordinate differs from `at` along `free` only, counting up in world ranks.
std::vector<double> expected_members(const Mesh& mesh, const std::vector<Axis>& free) {
  std::vector<double> ranks;
  for (int r = 0; r < mesh.shape().size(); ++r) {
    MeshCoordinate other = coordinate_of(mesh.shape(), r);
    for (const Axis axis : free) other = other.with(axis, mesh.at().along(axis));
    if (other == mesh.at()) ranks.push_back(r);
  }
  return ranks;
}

std::vector<double> expected_ends(const Mesh& mesh) {
  const double me = world().rank();
  if (mesh.shape().pipeline == 1 || (!mesh.first_stage() && !mesh.last_stage())) return {me};
  return {static_cast<double>(rank_of(mesh.shape(), mesh.at().with(Axis::pipeline, 0))),
          static_cast<double>(rank_of(mesh.shape(), mesh.at().with(Axis::pipeline, mesh.shape().pipeline - 1)))};
}

const std::vector<std::pair<std::optional<Axis>, std::vector<Axis>>> kHolders = {
    {std::nullopt, {Axis::data, Axis::sequence, Axis::tensor}},
    {Axis::tensor, {Axis::data, Axis::sequence}},
    {Axis::sequence, {Axis::data, Axis::tensor}}};

TEST(Mesh, GroupsHoldTheRightRanksForEveryShape) {
  for (const MeshShape& shape : shapes_of(world().size())) {
    SCOPED_TRACE(shape.str());
    const Mesh mesh(world(), shape);
    EXPECT_EQ(mesh.shape(), shape);
    EXPECT_EQ(rank_of(shape, mesh.at()), world().rank());
    EXPECT_EQ(mesh.first_stage(), mesh.at().pipeline == 0);
    EXPECT_EQ(mesh.last_stage(), mesh.at().pipeline == shape.pipeline - 1);
    for (const Axis axis : kAxes) {
      const Comm& group = mesh.axis(axis);
      EXPECT_EQ(group.name(), to_string(axis));
      EXPECT_EQ(group.size(), shape.extent(axis));
      EXPECT_EQ(group.rank(), mesh.at().along(axis));
      EXPECT_EQ(members(group), expected_members(mesh, {axis}));
    }
    EXPECT_EQ(&mesh.axis(Axis::tensor), &mesh.tensor());
    EXPECT_EQ(members(mesh.replicas()), expected_members(mesh, {Axis::data, Axis::sequence}));
    EXPECT_EQ(members(mesh.model()), expected_members(mesh, {Axis::tensor, Axis::pipeline}));
    for (const auto& [split_axis, axes] : kHolders) {
      const Comm& holders = mesh.holders(split_axis);
      EXPECT_EQ(members(holders), expected_members(mesh, axes));
      const Holder self = holder_of(split_axis, mesh.shape(), mesh.at());
      EXPECT_EQ(self.index, holders.rank());
      EXPECT_EQ(self.count, holders.size());
    }
    EXPECT_EQ(members(mesh.ends()), expected_ends(mesh));
    EXPECT_EQ(mesh.world().size(), shape.size());
  }
}

TEST(Mesh, OfTheWrongSizeIsRefusedOnAllRanksAlike) {
  const int g = world().size();
  std::string sentence;
  try {
    const Mesh mesh(world(), MeshShape{.data = 2, .tensor = g});
  } catch (const UserError& e) {
    sentence = e.what();
  }
  EXPECT_EQ(sentence, std::format("the mesh 2x{}x1x1 (data x tensor x pipeline x sequence) needs {} ranks, but {} {} "
                                  "started; start mpirun -n {} or change parallel.*",
                                  g, 2 * g, g, g == 1 ? "was" : "were", 2 * g));
  EXPECT_EQ(world().broadcast_text(sentence, 0), sentence);
  EXPECT_THROW(Mesh(world(), MeshShape{.data = -1, .tensor = -g}), UserError);
}

TEST(Mesh, MessagesOfItsGroupsDoNotMeet) {
  const Mesh mesh(world(), MeshShape{.data = world().size()});
  const int g = world().size(), me = world().rank(), next = (me + 1) % g, previous = (me + g - 1) % g;
  const Tensor first = Tensor::from_host<double>({1.0}, {1}), second = Tensor::from_host<double>({2.0}, {1});
  const Tensor in_first = Tensor::empty({1}, Dtype::float64), in_second = Tensor::empty({1}, Dtype::float64);
  std::vector<Request> requests;
  requests.push_back(mesh.replicas().receive_async(in_second, previous, 0));
  requests.push_back(mesh.data().receive_async(in_first, previous, 0));
  requests.push_back(mesh.data().send_async(first, next, 0));
  requests.push_back(mesh.replicas().send_async(second, next, 0));
  for (Request& request : requests) request.wait();
  EXPECT_EQ(in_first.to_host<double>()[0], 1.0);
  EXPECT_EQ(in_second.to_host<double>()[0], 2.0);
}

}  // namespace
}  // namespace longspan
