// Sequence parallelism by all-to-all (DeepSpeed Ulysses, Jacobs et al. 2023), alone and as the inner half of the
// two-dimensional product (USP, Fang and Zhao 2024; LoongTrain, Gu et al. 2024). In a group of U neighbours each rank
// gives the heads that are not its own and gets the positions of the others: then it holds some heads at all positions
// of the group, and another method works among the groups. With one group nothing is left to do but plain attention.
//
// Heads split unevenly; a key head goes to several ranks where there are fewer of them than ranks. Per rank u, with n
// its rows, N those of its group, h and k its query and key heads, elements a head and row B K:
//   forward   q: n (H - h), kv: 2 n sum over other ranks of their key heads, o back: (N - n) h
//   backward  do: n (H - h), dq: (N - n) h, dkv: 2 (N - n) k
// and what the method among the groups sends for h and k heads. Parts of a key head that several ranks hold are added
// by the owner of the rows; they travel, and are added, in the accumulation dtype.
#pragma once

#include "mixers/sequence/sequence_method.hpp"

namespace longspan {

class Ulysses : public SequenceMethod {
 public:
  // `ranks` of a group of neighbours: all of the axis, or SequenceAxes::inner.
  Ulysses(int ranks, std::unique_ptr<SequenceMethod> among_groups)
      : ranks_(ranks), among_groups_(std::move(among_groups)) {}

  Variable attend(const AttentionLayer& layer, const Variable& q, const Variable& kv) const override;
  Traffic traffic(const AttentionSizes& sizes, const MaskRule& mask, const SequenceShard& shard) const override;
  std::vector<double> work(const AttentionSizes& sizes, const MaskRule& mask,
                           const SequenceShard& shard) const override;

 private:
  int ranks_;
  std::unique_ptr<SequenceMethod> among_groups_;
};

}  // namespace longspan
