// A phantom counts what a real group counts, and a mesh of phantoms has the groups of the real mesh.
#include <gtest/gtest.h>

#include "comm/mesh.hpp"
#include "comm/rank_scan.hpp"
#include "support/world.hpp"
#include "tensor/shape_only.hpp"

namespace longspan {
namespace {

using Counts = std::map<std::pair<std::string, std::string>, std::pair<std::int64_t, std::int64_t>>;

Counts counted() {
  Counts counts;
  for (const auto& [key, count] : CommCounters::instance().all()) counts[key] = {count.calls, count.bytes};
  return counts;
}

// Every call of Comm once, with uneven rows.
void call_everything(const Comm& comm) {
  const int g = comm.size(), me = comm.rank();
  std::vector<std::int64_t> rows;
  for (int r = 0; r < g; ++r) rows.push_back(3 + r);
  std::int64_t sum = 0;
  for (const std::int64_t n : rows) sum += n;
  const Tensor all = Tensor::zeros({sum, 5}, Dtype::float32), mine = Tensor::zeros({rows[me], 5}, Dtype::float32);
  comm.all_reduce(all);
  comm.all_reduce_async(all, Reduce::max).wait();
  comm.broadcast(all, g - 1);
  comm.all_gather(mine, all, rows);
  comm.all_gather_async(mine, all, rows).wait();
  comm.reduce_scatter(all, mine, rows);
  comm.reduce_scatter_async(all, mine, rows).wait();
  const Tensor received = Tensor::zeros({rows[me] * g, 5}, Dtype::float32);
  comm.all_to_all(all, rows, received, std::vector<std::int64_t>(static_cast<std::size_t>(g), rows[me]));
  comm.barrier();
  const Tensor map = Tensor::zeros({7}, Dtype::float64), state = Tensor::zeros({7}, Dtype::float64);
  const ScanOperator nothing{[](const Tensor&, const Tensor&) {}, [](const Tensor&, const Tensor&) {}};
  for (const ScanMethod method : {ScanMethod::ring, ScanMethod::rounds, ScanMethod::gather}) {
    RankScan(comm, nothing, map, state, true, method).finish();
  }
  if (g > 1) {
    Request out = comm.send_async(mine, (me + 1) % g, 1);
    const Tensor message = Tensor::zeros({rows[(me + g - 1) % g], 5}, Dtype::float32);
    comm.receive(message, (me + g - 1) % g, 1);
    out.wait();
  }
  EXPECT_EQ(comm.broadcast_text("same", 0), "same");
  EXPECT_EQ(comm.all_gather_value(2.0), std::vector<double>(static_cast<std::size_t>(g), 2.0));
  EXPECT_EQ(comm.all_reduce_value(2.0, Reduce::max), 2.0);
  EXPECT_EQ(comm.all_reduce_value(std::int64_t{2}, Reduce::min), 2);
}

TEST(Phantom, CountsWhatARealGroupCounts) {
  CommCounters::instance().reset();
  call_everything(world());
  const Counts real = counted();
  const ShapeOnly scope;
  CommCounters::instance().reset();
  call_everything(Comm::phantom("world", world().size(), world().rank()));
  EXPECT_EQ(counted(), real);
}

TEST(Phantom, RequestsHoldTheirTensorsUntilTheyAreWaitedFor) {
  const ShapeOnly scope;
  const Comm group = Comm::phantom("pair", 2, 0);
  Tensor sent = Tensor::empty({8}, Dtype::float64);
  Request request = group.send_async(sent, 1, 0);
  EXPECT_FALSE(sent.sole_owner());
  EXPECT_TRUE(request.active());
  request.wait();
  EXPECT_TRUE(sent.sole_owner());
}

TEST(Phantom, ReducedValuesAreTheOwnOnes) {
  const ShapeOnly scope;
  const Comm group = Comm::phantom("many", 1000, 17);
  EXPECT_EQ(group.all_reduce_value(3.0), 3.0);
  EXPECT_EQ(group.broadcast_text("mine", 5), "mine");
}

TEST(Phantom, ContractsAreChecked) {
  const ShapeOnly scope;
  EXPECT_THROW(Comm::phantom("group", 2, 2), std::logic_error);
  const Comm group = Comm::phantom("group", 2, 0);
  EXPECT_THROW(group.split("part", 0, 0), std::logic_error);
  const Tensor t = Tensor::zeros({4}, Dtype::float64);
  EXPECT_THROW(group.send(t, 2, 0), std::logic_error);
  if (world().size() > 1) {
    EXPECT_THROW(world().broadcast(t, 0), std::logic_error);
  }
}

void expect_same_group(const Comm& phantom, const Comm& real) {
  EXPECT_EQ(phantom.name(), real.name());
  EXPECT_EQ(phantom.size(), real.size()) << real.name();
  EXPECT_EQ(phantom.rank(), real.rank()) << real.name();
}

TEST(Phantom, MeshHasTheGroupsOfTheRealMesh) {
  const int n = world().size();
  for (int d = 1; d <= n; ++d) {
    for (int t = 1; d * t <= n; ++t) {
      for (int p = 1; d * t * p <= n; ++p) {
        if (n % (d * t * p) != 0) continue;
        const MeshShape shape{d, t, p, n / (d * t * p)};
        SCOPED_TRACE(shape.str());
        const int inner = shape.sequence % 2 == 0 ? 2 : 1;
        const Mesh real(world(), shape, inner);
        const ShapeOnly scope;
        const Mesh phantom(Comm::phantom("world", n, world().rank()), shape, inner);
        EXPECT_EQ(phantom.at(), real.at());
        for (const Axis axis : kAxes) expect_same_group(phantom.axis(axis), real.axis(axis));
        expect_same_group(phantom.sequence_inner(), real.sequence_inner());
        expect_same_group(phantom.sequence_outer(), real.sequence_outer());
        expect_same_group(phantom.self(), real.self());
        expect_same_group(phantom.replicas(), real.replicas());
        expect_same_group(phantom.model(), real.model());
        for (const std::optional<Axis> split : {std::optional<Axis>(), {Axis::tensor}, {Axis::sequence}}) {
          expect_same_group(phantom.holders(split), real.holders(split));
        }
        expect_same_group(phantom.ends(), real.ends());
      }
    }
  }
}

}  // namespace
}  // namespace longspan
