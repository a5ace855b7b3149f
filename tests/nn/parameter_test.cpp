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
  const ParameterStore store = make_store(1, 0);
  const auto embedding = store.group_pieces(0), block = store.group_pieces(1);
  ASSERT_EQ(embedding.size(), 1U);
  EXPECT_EQ(embedding[0].range.begin, 0);
  // What every rank of the sequence axis holds, what positions split, and again what every rank holds.
  ASSERT_EQ(block.size(), 3U);
  EXPECT_FALSE(block[0].by_position);
  EXPECT_TRUE(block[1].by_position);
  EXPECT_FALSE(block[2].by_position);
  EXPECT_EQ(embedding[0].range.end, block[0].range.begin);
  EXPECT_EQ(block[0].range.end, block[1].range.begin);
  EXPECT_EQ(block[1].range.end, block[2].range.begin);
  EXPECT_EQ(block[2].range.end, store.local_elements());
  EXPECT_TRUE(store.group_pieces(2).empty());
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

}  // namespace
}  // namespace longspan::testing
