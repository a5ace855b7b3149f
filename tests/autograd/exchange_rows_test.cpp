// Rows that change ranks: values, gradients (which add up where a row goes to several ranks) and counted bytes.
#include "autograd/functions/exchange_rows.hpp"

#include <gtest/gtest.h>

#include "comm/counters.hpp"
#include "support/compare.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

constexpr std::int64_t kBatch = 2, kWidth = 3;

double value_at(std::int64_t b, std::int64_t position, std::int64_t c) {
  return static_cast<double>(100 * b + 10 * position + c);
}

Tensor rows_at(const std::vector<std::int64_t>& positions) {
  Values values;
  for (std::int64_t b = 0; b < kBatch; ++b) {
    for (const std::int64_t p : positions) {
      for (std::int64_t c = 0; c < kWidth; ++c) values.push_back(value_at(b, p, c));
    }
  }
  return tensor_as<double>(values, {kBatch, static_cast<std::int64_t>(positions.size()), kWidth});
}

void expect_exchange(const SequenceShard& held, const WantedPositions& wanted) {
  const auto plan = std::make_shared<const RowExchange>(plan_row_exchange(held, wanted));
  const Comm axis = world().split("sequence", 0, world().rank());
  CommCounters::instance().reset();
  Tape tape;
  const Variable x(rows_at(held.positions()));
  const Variable y = exchange_rows(tape, x, plan, axis);
  EXPECT_EQ(to_values(y.value()), to_values(rows_at(wanted(axis.rank()))));
  EXPECT_EQ(CommCounters::instance().of_group("sequence").bytes, 8 * kBatch * kWidth * plan->leaving(axis.rank()));

  // Every copy of a row brings its value back: the gradient is the value times the number of copies.
  y.set_gradient(rows_at(wanted(axis.rank())));
  tape.backward();
  Values expected;
  for (std::int64_t b = 0; b < kBatch; ++b) {
    for (const std::int64_t p : held.positions()) {
      double copies = 0;
      for (int part = 0; part < axis.size(); ++part) {
        for (const std::int64_t w : wanted(part)) copies += w == p ? 1 : 0;
      }
      for (std::int64_t c = 0; c < kWidth; ++c) expected.push_back(copies * value_at(b, p, c));
    }
  }
  EXPECT_EQ(to_values(x.gradient()), expected);
}

TEST(ExchangeRows, ToTheContiguousShard) {
  for (const ShardKind kind : {ShardKind::zigzag, ShardKind::striped, ShardKind::contiguous}) {
    for (const std::int64_t length : {1, 7, 16}) {
      expect_exchange(SequenceShard(kind, length, world().size(), world().rank()), [&](int part) {
        return SequenceShard(ShardKind::contiguous, length, world().size(), part).positions();
      });
    }
  }
}

TEST(ExchangeRows, TheEdgeBeforeEachRank) {
  for (const std::int64_t length : {1, 5, 16}) {
    const SequenceShard shard(ShardKind::contiguous, length, world().size(), world().rank());
    expect_exchange(shard, [&](int part) { return edge_positions(shard, part, 3); });
  }
}

}  // namespace
}  // namespace longspan::testing
