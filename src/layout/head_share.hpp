// Which heads a rank works on where a group of ranks shares the heads of attention. A rank's query heads all belong to
// whole key heads or to one key head, so that the local layer is again grouped-query attention.
#pragma once

#include "base/error.hpp"
#include "layout/split.hpp"

namespace longspan {

struct HeadShare {
  Range heads, key_heads;
  bool operator==(const HeadShare&) const = default;
};

// H query heads, Hk key heads (Hk divides H), rank u of U <= H. Where Hk >= U the key heads are split, evenly or not;
// where Hk < U a key head goes to several ranks that split its query heads.
inline HeadShare head_share(std::int64_t heads, std::int64_t key_heads, int ranks, int rank) {
  LONGSPAN_CHECK(ranks <= heads && heads % key_heads == 0, "[head_share] {} query and {} key heads over {} ranks",
                 heads, key_heads, ranks);
  const std::int64_t group = heads / key_heads;
  if (key_heads >= ranks) {
    const Range mine = split(key_heads, ranks, rank);
    return {{mine.begin * group, mine.end * group}, mine};
  }
  const std::int64_t key_head = split_owner(ranks, key_heads, rank);
  const Range sharers = split(ranks, key_heads, key_head);
  const Range mine = split(group, sharers.size(), rank - sharers.begin);
  return {{key_head * group + mine.begin, key_head * group + mine.end}, {key_head, key_head + 1}};
}

}  // namespace longspan
