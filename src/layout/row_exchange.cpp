#include "layout/row_exchange.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace longspan {

std::int64_t RowExchange::leaving(int part) const {
  return static_cast<std::int64_t>(send.size()) - send_rows[static_cast<std::size_t>(part)];
}

RowExchange plan_row_exchange(const SequenceShard& held, const WantedPositions& wanted) {
  const auto parts = static_cast<std::size_t>(held.parts());
  RowExchange plan{.send_rows = std::vector<std::int64_t>(parts, 0),
                   .receive_rows = std::vector<std::int64_t>(parts, 0),
                   .send = {},
                   .receive = {}};
  for (std::size_t part = 0; part < parts; ++part) {
    for (const std::int64_t position : wanted(static_cast<int>(part))) {
      const SequenceShard::Place place = held.place(position);
      if (place.part != held.part()) continue;
      plan.send.push_back(place.row);
      ++plan.send_rows[part];
    }
  }
  std::vector<std::vector<std::int64_t>> from(parts);
  std::int64_t index = 0;
  for (const std::int64_t position : wanted(held.part())) {
    from[static_cast<std::size_t>(held.place(position).part)].push_back(index++);
  }
  for (std::size_t part = 0; part < parts; ++part) {
    plan.receive_rows[part] = static_cast<std::int64_t>(from[part].size());
    plan.receive.insert(plan.receive.end(), from[part].begin(), from[part].end());
  }
  return plan;
}

RowExchange plan_reshard(const SequenceShard& from, const SequenceShard& to) {
  LONGSPAN_CHECK(from.global_length() == to.global_length() && from.parts() == to.parts() && from.part() == to.part(),
                 "[reshard] shards of {} positions on {} ranks and {} on {}", from.global_length(), from.parts(),
                 to.global_length(), to.parts());
  return plan_row_exchange(
      from, [&](int part) { return SequenceShard(to.kind(), to.global_length(), to.parts(), part).positions(); });
}

namespace {

std::vector<std::int64_t> positions_between(std::int64_t first, std::int64_t end) {
  std::vector<std::int64_t> positions;
  for (std::int64_t p = first; p < end; ++p) positions.push_back(p);
  return positions;
}

std::vector<PositionRun> contiguous_run(const SequenceShard& shard, int part) {
  LONGSPAN_CHECK(shard.kind() == ShardKind::contiguous, "[edge] the shard is {}", to_string(shard.kind()));
  return shard.runs(part);
}

}  // namespace

std::vector<std::int64_t> edge_positions(const SequenceShard& contiguous, int part, std::int64_t width) {
  const std::vector<PositionRun> runs = contiguous_run(contiguous, part);
  if (runs.empty()) return {};
  return positions_between(std::max<std::int64_t>(0, runs.front().first - width), runs.front().first);
}

std::vector<std::int64_t> following_positions(const SequenceShard& contiguous, int part, std::int64_t width) {
  const std::vector<PositionRun> runs = contiguous_run(contiguous, part);
  if (runs.empty()) return {};
  const std::int64_t end = runs.back().last() + 1;
  return positions_between(end, std::min(contiguous.global_length(), end + width));
}

}  // namespace longspan
