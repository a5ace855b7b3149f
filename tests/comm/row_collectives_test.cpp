#include <numeric>

#include "comm/transport.hpp"

namespace longspan {
namespace {

class AllGather : public Transport {};
class ReduceScatter : public Transport {};
class AllToAll : public Transport {};
INSTANTIATE_TEST_SUITE_P(Every, AllGather, every_way(), way_name);
INSTANTIATE_TEST_SUITE_P(Every, ReduceScatter, every_way(), way_name);
INSTANTIATE_TEST_SUITE_P(Every, AllToAll, every_way(), way_name);

using Rows = std::vector<std::int64_t>;

// Even, growing from nothing, only the last rank, nobody.
std::vector<Rows> row_patterns() {
  const int g = world().size();
  Rows even(g, 3), growing(g), last(g, 0), none(g, 0);
  std::iota(growing.begin(), growing.end(), 0);
  last.back() = 5;
  return {even, growing, last, none};
}

std::int64_t before(const Rows& rows, int rank) { return std::accumulate(rows.begin(), rows.begin() + rank, 0); }
std::int64_t sum(const Rows& rows) { return before(rows, static_cast<int>(rows.size())); }

double global_value(std::int64_t i) { return static_cast<double>(i * 5 % 101 - 50); }
double value_of(int rank, std::int64_t i) { return static_cast<double>((i * 7 + rank * 3) % 11 - 5); }

double sum_of(std::int64_t i) {
  double sum = 0;
  for (int rank = 0; rank < world().size(); ++rank) sum += value_of(rank, i);
  return sum;
}

TEST_P(AllGather, JoinsUnevenAndEmptyBlocks) {
  for_each_type([](auto zero) {
    using T = decltype(zero);
    for (const Rows& rows : row_patterns()) {
      const std::int64_t first = before(rows, world().rank()) * 6, own = rows[world().rank()];
      const Tensor mine = filled<T>({own, 2, 3}, [&](std::int64_t i) { return global_value(first + i); });
      const Tensor all = Tensor::empty({sum(rows), 2, 3}, mine.dtype());
      const Tensor all_later = Tensor::empty({sum(rows), 2, 3}, mine.dtype());
      world().all_gather(mine, all, rows);
      Request request = world().all_gather_async(mine, all_later, rows);
      request.wait();
      expect_values<T>(all, global_value, "blocking");
      expect_values<T>(all_later, global_value, "async");
    }
  });
}

TEST_P(AllGather, TakesTheOwnBlockInPlace) {
  for (const Rows& rows : row_patterns()) {
    const std::int64_t first = before(rows, world().rank());
    const Tensor all = Tensor::empty({sum(rows), 4}, Dtype::float32);
    const Tensor mine = all.slice(first, rows[world().rank()]);
    mine.copy_from_host(filled<float>(mine.shape(), [&](std::int64_t i) { return global_value(first * 4 + i); })
                            .to_host<float>()
                            .data());
    world().all_gather(mine, all, rows);
    expect_values<float>(all, global_value);
  }
}

TEST_P(AllGather, RefusesRowsThatDoNotAddUp) {
  const Tensor mine = Tensor::zeros({2, 3}, Dtype::float32);
  const Tensor all = Tensor::zeros({2 * world().size() + 1, 3}, Dtype::float32);
  EXPECT_THROW(world().all_gather(mine, all, Rows(world().size(), 2)), std::logic_error);
  EXPECT_THROW(world().all_gather(mine, all, Rows(world().size() + 1, 2)), std::logic_error);
}

TEST_P(ReduceScatter, SumsUnevenAndEmptyBlocks) {
  for_each_type([](auto zero) {
    using T = decltype(zero);
    for (const Rows& rows : row_patterns()) {
      const std::int64_t first = before(rows, world().rank()) * 6, own = rows[world().rank()];
      const Tensor all = filled<T>({sum(rows), 2, 3}, [](std::int64_t i) { return value_of(world().rank(), i); });
      const Tensor mine = Tensor::empty({own, 2, 3}, all.dtype());
      const Tensor mine_later = Tensor::empty({own, 2, 3}, all.dtype());
      world().reduce_scatter(all, mine, rows);
      Request request = world().reduce_scatter_async(all, mine_later, rows);
      request.wait();
      const auto expected = [first](std::int64_t i) { return sum_of(first + i); };
      expect_values<T>(mine, expected, "blocking");
      expect_values<T>(mine_later, expected, "async");
      expect_values<T>(all, [](std::int64_t i) { return value_of(world().rank(), i); }, "input");
    }
  });
}

// Rank s sends (s + 2 r) % 4 rows to rank r: some blocks are empty.
TEST_P(AllToAll, ExchangesUnevenAndEmptyBlocks) {
  const auto rows_of = [](int s, int r) { return static_cast<std::int64_t>((s + 2 * r) % 4); };
  const auto value = [](int s, int r, std::int64_t i) { return static_cast<double>(s * 40 + r * 10 + i); };
  for_each_type([&](auto zero) {
    using T = decltype(zero);
    const int g = world().size(), me = world().rank();
    Rows send_rows, receive_rows;
    std::vector<double> sent, expected;
    for (int r = 0; r < g; ++r) {
      send_rows.push_back(rows_of(me, r));
      receive_rows.push_back(rows_of(r, me));
      for (std::int64_t i = 0; i < 3 * send_rows.back(); ++i) sent.push_back(value(me, r, i));
      for (std::int64_t i = 0; i < 3 * receive_rows.back(); ++i) expected.push_back(value(r, me, i));
    }
    const Tensor send = filled<T>({sum(send_rows), 3}, [&](std::int64_t i) { return sent[i]; });
    const Tensor receive = Tensor::empty({sum(receive_rows), 3}, send.dtype());
    world().all_to_all(send, send_rows, receive, receive_rows);
    expect_values<T>(receive, [&](std::int64_t i) { return expected[i]; });
  });
}

}  // namespace
}  // namespace longspan
