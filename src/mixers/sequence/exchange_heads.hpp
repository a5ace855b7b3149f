// All-to-all between heads and rows within a group of neighbours on the sequence axis, on the tape.
#pragma once

#include <vector>

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"
#include "layout/sequence_shard.hpp"

namespace longspan {

struct HeadExchange {
  const Comm& group;
  SequenceShard shard;       // of the whole sequence axis; this rank's part is number group.rank() of its group
  std::vector<Range> heads;  // of each rank of the group; ranks may share heads

  int part_of(int rank) const { return shard.part() - group.rank() + rank; }
  bool shares_heads() const {
    for (std::size_t u = 1; u < heads.size(); ++u) {
      if (heads[u].begin < heads[u - 1].end) return true;
    }
    return false;
  }
};

// x [A, H, T_local, K], all heads of this rank's rows -> [A, h, T_group, K], this rank's heads of the group's rows, in
// the order of shard.grouped(group.size()). What comes back for a head that several ranks hold is added up; such
// gradients of y may be in the accumulation dtype.
Variable rows_to_heads(Tape& tape, const HeadExchange& exchange, const Variable& x);
// The reverse; needs heads that are not shared.
Variable heads_to_rows(Tape& tape, const HeadExchange& exchange, const Variable& y);

}  // namespace longspan
