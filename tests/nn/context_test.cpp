#include "nn/context.hpp"

#include <gtest/gtest.h>

namespace longspan {
namespace {

using Ints = std::vector<std::int32_t>;

TEST(SequenceContext, PositionsAreGlobal) {
  const SequenceShard shard(ShardKind::zigzag, 8, 2, 1);
  EXPECT_EQ(make_sequence_context(shard).positions.host(), (Ints{2, 3, 4, 5}));
  EXPECT_EQ(make_sequence_context(shard, 100).positions.host(), (Ints{102, 103, 104, 105}));
}

TEST(Visibility, EachSequenceHasItsOwnDocuments) {
  const SequenceShard shard(ShardKind::contiguous, 4, 2, 1);  // positions 2 and 3
  const Visibility v = make_visibility({.causal = true}, shard, 2, {{0}, {0, 3}});
  EXPECT_EQ(v.begin.host(), (Ints{0, 0, 0, 3}));
  EXPECT_EQ(v.end.host(), (Ints{3, 4, 3, 4}));
}

TEST(Visibility, WithoutDocumentsASequenceIsOne) {
  const Visibility v =
      make_visibility({.causal = true, .window = 2}, SequenceShard(ShardKind::contiguous, 3, 1, 0), 1, {});
  EXPECT_EQ(v.begin.host(), (Ints{0, 0, 1}));
  EXPECT_EQ(v.end.host(), (Ints{1, 2, 3}));
}

// Rows of all data and sequence ranks together are each row of the batch once.
TEST(DropoutRows, EveryRowOfTheBatchHasItsOwnNumber) {
  constexpr std::int64_t B = 2, T = 5;
  std::vector<int> seen(2 * B * T, 0);
  for (int data = 0; data < 2; ++data) {
    for (int part = 0; part < 3; ++part) {
      const Tensor rows = make_dropout_rows(SequenceShard(ShardKind::zigzag, T, 3, part), B, data * B);
      for (const std::int64_t row : rows.to_host<std::int64_t>()) ++seen[static_cast<std::size_t>(row)];
    }
  }
  EXPECT_EQ(seen, std::vector<int>(2 * B * T, 1));
}

}  // namespace
}  // namespace longspan
