// Both ways of the recurrent cells across the sequence axis against one rank, whatever the lengths, documents, batches
// and groups; what a relay sends.
#include "mixers/rnn.hpp"

#include <gtest/gtest.h>

#include "comm/counters.hpp"
#include "nn/layer_case.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

using ops::RnnCell;

constexpr RnnWay kExchange = RnnWay::exchange, kRelay = RnnWay::relay;

Comm self() { return world().split("self", world().rank(), 0); }

LayerCase rnn_case(RnnCell cell, const RnnCrossing& crossing, std::int64_t batch, std::int64_t length,
                   std::int64_t heads) {
  LayerCase c;
  c.B = batch, c.T = length, c.D = 3 * heads;
  c.make = [=](ParameterStore& store) -> Forward {
    ModelConfig model;
    model.layers = 2, model.width = 3 * heads, model.heads = heads;
    model.norm_epsilon = 0.01;
    const auto mixer = std::make_shared<Rnn>(store, MixerSettings{.name = "mixer", .layer = 1, .model = model}, cell);
    return [=](const Context& context, const Variable& x) { return mixer->forward(context, x, crossing); };
  };
  return c;
}

void expect_like_one_rank(const LayerCase& c, int tensor, ShardKind kind) {
  if (world().size() % tensor != 0) return;
  testing::expect_like_one_rank(c, world(), self(), {.tensor = tensor, .sequence = world().size() / tensor}, kind);
}

class RnnWays : public ::testing::TestWithParam<RnnCell> {};
INSTANTIATE_TEST_SUITE_P(Cells, RnnWays, ::testing::Values(RnnCell::elman, RnnCell::gru, RnnCell::lstm, RnnCell::slstm),
                         [](const auto& info) { return std::string(to_string(info.param)); });

// One head, which no exchange could share; fewer tokens than ranks among the lengths.
TEST_P(RnnWays, ARelayEqualsOneRank) {
  for (const std::int64_t length : {1, 2, 7, 13}) {
    for (const std::int64_t batch : {1, 2, 5}) {
      for (std::int64_t groups = 1; groups <= batch; ++groups) {
        SCOPED_TRACE(::testing::Message() << batch << " sequences of " << length << " in " << groups << " groups");
        expect_like_one_rank(rnn_case(GetParam(), {kRelay, groups}, batch, length, 1), 1, ShardKind::contiguous);
      }
    }
  }
}

// Starts within a rank's run, at its first position and none at all.
TEST_P(RnnWays, DocumentsOverRanks) {
  for (const RnnWay way : {kExchange, kRelay}) {
    LayerCase c = rnn_case(GetParam(), {way, way == kRelay ? 2 : 1}, 3, 13, 8);
    c.document_starts = {{0, 6}, {}, {1, 3, 4, 9, 12}};
    for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
      for (const int tensor : {1, 2}) expect_like_one_rank(c, tensor, kind);
    }
  }
}

// A state for each sequence and rank but the last; the exchange grows with the length, this does not.
TEST_P(RnnWays, ARelaySendsStatesWhateverTheLength) {
  const int ranks = world().size();
  for (const std::int64_t length : {3, 50}) {
    const LayerCase c = rnn_case(GetParam(), {kRelay, 2}, 3, length, 2);
    const LayerRun run(c, world(), {.sequence = ranks}, ShardKind::contiguous);
    const RnnLayer layer = rnn_layer(GetParam(), 3, 2, 3, Dtype::float64, true);
    const auto bytes = [] { return CommCounters::instance().of_group("sequence").bytes; };
    Tape tape;
    const std::int64_t start = bytes();
    const Variable x(Tensor::zeros({3, run.shard().local_length(), c.D}, Dtype::float64)), y = run.forward(tape, x);
    const std::int64_t middle = bytes();
    y.set_gradient(Tensor::zeros(y.value().shape(), Dtype::float64));
    tape.backward();
    EXPECT_EQ(middle - start, 8 * relay_volume(layer, ranks, world().rank()));
    EXPECT_EQ(bytes() - middle, 8 * relay_volume(layer, ranks, ranks - 1 - world().rank()));
  }
}

}  // namespace
}  // namespace longspan::testing
