#include "layout/volume.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace longspan {
namespace {

TEST(RingOrder, EveryBlockVisitsEveryRankAndComesHome) {
  for (int size = 1; size <= 9; ++size) {
    for (int rank = 0; rank < size; ++rank) {
      std::vector<int> met(size, 0);
      for (int step = 0; step < size; ++step) {
        const int owner = ring_owner(rank, step, size);
        ++met[owner];
        EXPECT_EQ(ring_owner(ring_next(rank, size), step + 1, size), owner) << "the block moves one rank upwards";
      }
      EXPECT_EQ(met, std::vector<int>(size, 1));
      EXPECT_EQ(ring_owner(rank, size, size), rank);
      EXPECT_EQ(ring_previous(ring_next(rank, size), size), rank);
    }
  }
}

// The sends of one rank, step by step.
std::int64_t sent(const SequenceShard& shard, int steps, std::int64_t per_token) {
  std::int64_t elements = 0;
  for (int step = 0; step < steps; ++step) {
    elements += per_token * shard.local_length(ring_owner(shard.part(), step, shard.parts()));
  }
  return elements;
}

TEST(Volume, RingEqualsTheSumOverItsSteps) {
  for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    for (const std::int64_t length : {0, 1, 5, 16, 37, 1000}) {
      for (int parts = 1; parts <= 9; ++parts) {
        for (int part = 0; part < parts; ++part) {
          const SequenceShard shard(kind, length, parts, part);
          EXPECT_EQ(ring_forward_elements(shard, 12), sent(shard, parts - 1, 12));
          const RingBackwardElements backward = ring_backward_elements(shard, 12);
          EXPECT_EQ(backward.key_values, sent(shard, parts - 1, 12));
          EXPECT_EQ(backward.gradients, parts == 1 ? 0 : sent(shard, parts, 12));
        }
      }
    }
  }
}

TEST(Volume, CollectivesEqualTheRingAlgorithms) {
  for (int ranks = 1; ranks <= 9; ++ranks) {
    const std::int64_t piece = 7, whole = piece * ranks;
    EXPECT_EQ(reduce_scatter_volume(whole, ranks), (ranks - 1) * piece);
    EXPECT_EQ(all_gather_volume(whole, ranks), (ranks - 1) * piece);
    EXPECT_EQ(all_to_all_volume(whole, ranks), (ranks - 1) * piece);
    EXPECT_EQ(all_reduce_volume(whole, ranks), 2 * (ranks - 1) * piece);
  }
}

}  // namespace
}  // namespace longspan
