// Which rows of a sequence go where when ranks that hold a shard need other positions: a plan for one all-to-all.
//   reshard   every rank wants the positions of another shard
//   edge      every rank of a contiguous shard wants the positions just before its own or behind (short convolutions)
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "layout/sequence_shard.hpp"

namespace longspan {

// For one rank. Rows travel in the order of their receiver's wish, from each owner as one block.
struct RowExchange {
  std::vector<std::int64_t> send_rows, receive_rows;  // by rank of the axis
  std::vector<std::int64_t> send;        // local rows that leave, by receiving rank; a row may go to several
  std::vector<std::int64_t> receive;     // place of each arriving row among the wanted ones
  std::int64_t leaving(int part) const;  // rows that really leave rank `part`: all but those it sends to itself
};
using WantedPositions = std::function<std::vector<std::int64_t>(int part)>;
RowExchange plan_row_exchange(const SequenceShard& held, const WantedPositions& wanted);

RowExchange plan_reshard(const SequenceShard& from, const SequenceShard& to);

// The last `width` positions before the shard of `part`, contiguous; fewer at the start of the sequence. They may span
// several ranks. A rank without positions wants none.
std::vector<std::int64_t> edge_positions(const SequenceShard& contiguous, int part, std::int64_t width);
// Likewise the first `width` positions behind it.
std::vector<std::int64_t> following_positions(const SequenceShard& contiguous, int part, std::int64_t width);

}  // namespace longspan
