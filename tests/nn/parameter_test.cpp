#include "nn/parameter.hpp"

#include <gtest/gtest.h>

#include "nn/layer_case.hpp"

namespace longspan::testing {
namespace {

constexpr int kRanks = 4;

void declare_all(ParameterStore& store) {
  store.declare({.name = "table", .shape = {7, 6}, .shard = {0, 1}, .init = Initializer::normal(1), .group = 0});
  store.declare({.name = "rows", .shape = {12, 6}, .shard = {0, 4}, .init = Initializer::normal(1), .group = 1});
  store.declare({.name = "columns", .shape = {6, 9}, .shard = {1, 1}, .init = Initializer::normal(1), .group = 1});
  store.declare({.name = "norm", .shape = {6}, .init = Initializer::constant(1), .group = 1});
  for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    const std::string name = to_string(kind);
    store.declare({.name = name + " columns",
                   .shape = {3, 11},
                   .shard = ParameterShard::by_position(1, kind),
                   .init = Initializer::normal(1),
                   .group = 1});
    store.declare({.name = name + " rows",
                   .shape = {11, 3},
                   .shard = ParameterShard::by_position(0, kind),
                   .init = Initializer::normal(1),
                   .group = 1});
  }
  store.declare({.name = "bias", .shape = {6}, .group = 1});
  const auto entry = [](std::uint64_t key, std::int64_t i) {
    return uniform_double(key, static_cast<std::uint64_t>(i)) + static_cast<double>(i);
  };
  store.declare({.name = "vector", .shape = {9}, .shard = {0, 1}, .init = Initializer::function(entry), .group = 1});
  store.declare({.name = "matrix", .shape = {9, 2}, .shard = {0, 1}, .init = Initializer::function(entry), .group = 1});
}

ParameterStore make_store(int ranks, int rank, Dtype dtype = Dtype::float64, std::uint64_t seed = 3) {
  ParameterStore store({.tensor = ranks, .sequence = ranks}, {.tensor = rank, .sequence = rank});
  declare_all(store);
  store.allocate(dtype, seed);
  return store;
}

TEST(ParameterStore, EveryRankStartsWithItsPartOfOneRanksValues) {
  const ParameterStore one = make_store(1, 0);
  for (int rank = 0; rank < kRanks; ++rank) {
    const ParameterStore part = make_store(kRanks, rank);
    for (std::size_t i = 0; i < one.all().size(); ++i) {
      const Parameter& p = *part.all()[i];
      EXPECT_EQ(to_values(p.value()), local_part(to_values(one.all()[i]->value()), p)) << p.info().name;
    }
  }
}

TEST(ParameterStore, ValuesDependOnSeedAndName) {
  const Values a = to_values(make_store(1, 0).all()[0]->value());
  EXPECT_NE(a, to_values(make_store(1, 0, Dtype::float64, 4).all()[0]->value()));
  EXPECT_EQ(to_values(make_store(1, 0).all()[3]->value()), Values(6, 1.0));
}

TEST(ParameterStore, LowerPrecisionIsTheSameDrawRounded) {
  const Values wide = to_values(make_store(1, 0).all()[1]->value());
  const Values narrow = to_values(make_store(1, 0, Dtype::bfloat16).all()[1]->value());
  for (std::size_t i = 0; i < wide.size(); ++i) EXPECT_EQ(narrow[i], rounded(wide[i], Dtype::bfloat16));
}

TEST(ParameterStore, GradientsHaveTheAccumulationTypeAndStartAtZero) {
  const ParameterStore store = make_store(1, 0, Dtype::bfloat16);
  EXPECT_EQ(store.gradients().dtype(), Dtype::float32);
  EXPECT_EQ(to_values(store.gradients()), Values(static_cast<std::size_t>(store.local_elements()), 0.0));
}

TEST(ParameterStore, GroupsCoverTheFlatBuffersWithoutOverlap) {
  const ParameterStore store = make_store(2, 0);
  // The embedding; then of the block what positions split, what all ranks hold, and what tensor ranks share.
  const std::vector<std::optional<Axis>> split_axes = {Axis::tensor, Axis::sequence, std::nullopt, Axis::tensor};
  const std::vector<ParameterPiece> pieces = store.pieces();
  ASSERT_EQ(pieces.size(), 4U);
  ASSERT_EQ(make_store(1, 0).pieces().size(), 2U);
  std::int64_t end = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    EXPECT_EQ(pieces[i].group, i == 0 ? 0 : 1);
    EXPECT_EQ(pieces[i].split_axis, split_axes[i]);
    EXPECT_EQ(pieces[i].range.begin, end);
    end = pieces[i].range.end;
  }
  EXPECT_EQ(end, store.local_elements());
}

TEST(ParameterStore, RanksTogetherCountEveryElementOnce) {
  std::int64_t counted = 0;
  for (int tensor = 0; tensor < kRanks; ++tensor) {
    for (int sequence = 0; sequence < 3; ++sequence) {
      ParameterStore store({.tensor = kRanks, .sequence = 3}, {.tensor = tensor, .sequence = sequence});
      declare_all(store);
      counted += store.counted_elements();
    }
  }
  EXPECT_EQ(counted, 7 * 6 + 12 * 6 + 6 * 9 + 6 + 2 * 3 * 3 * 11 + 6 + 9 + 9 * 2);
}

TEST(ParameterStore, ATiedCopyIsNotCounted) {
  ParameterStore store({.pipeline = 2}, {.pipeline = 1});
  store.declare({.name = "table", .shape = {7, 6}, .tied_copy = true, .tied = true});
  EXPECT_EQ(store.counted_elements(), 0);
}

// What the holders own, put together, is what one of them has without ZeRO.
TEST(ParameterStore, HoldersOwnEveryValueOnceInEveryStageOfZero) {
  const MeshShape mesh{.data = 3, .tensor = 2, .sequence = 2};
  for (int zero = 1; zero <= 3; ++zero) {
    std::vector<Values> together;
    for (int rank = 0; rank < mesh.size(); ++rank) {
      const MeshCoordinate at = coordinate_of(mesh, rank);
      ParameterStore store(mesh, at, zero);
      declare_all(store);
      store.allocate(Dtype::float64, 3);
      EXPECT_EQ(store.values().size(), zero == 3 ? store.owned_elements() : store.local_elements());
      EXPECT_EQ(store.gradients().size(), zero >= 2 ? store.owned_elements() : store.local_elements());
      together.resize(store.all().size());
      for (std::size_t i = 0; i < store.all().size(); ++i) {
        const Parameter& p = *store.all()[i];
        const std::optional<Axis> split = p.info().shard.split_axis();
        if (split && at.along(*split) != 0) continue;
        const Values own = to_values(store.owned_values(p));
        together[i].insert(together[i].end(), own.begin(), own.end());
      }
    }
    ParameterStore whole(mesh, {});
    declare_all(whole);
    whole.allocate(Dtype::float64, 3);
    for (std::size_t i = 0; i < whole.all().size(); ++i) {
      EXPECT_EQ(together[i], to_values(whole.all()[i]->value())) << whole.all()[i]->info().name << " stage " << zero;
    }
  }
}

}  // namespace
}  // namespace longspan::testing
