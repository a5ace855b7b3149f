// The benchmark of attention's methods: what it counts, and its three measurements of one layer.
#include "train/sequence_benchmark.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/delay.hpp"
#include "config/run_config.hpp"
#include "support/expect_error.hpp"
#include "support/world.hpp"
#include "train/attention_trial.hpp"

namespace longspan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::sentence_of;

SequenceBenchmarkConfig small() {
  SequenceBenchmarkConfig config;
  config.lengths = "61";
  config.heads = 4;
  config.head_width = 8;
  config.repeats = 1;
  return config;
}

std::string refusal(const SequenceBenchmarkConfig& config) {
  return sentence_of([&] { benchmark_sequence(config, world()); });
}

TEST(SequenceBenchmark, CountsWhatTheClosedFormsSay) {
  for (const char* dtype : {"float32", "bfloat16"}) {
    SequenceBenchmarkConfig config = small();
    config.dtype = dtype;
    config.window = 9;
    config.kv_heads = 2;
    const TrafficProof proof = explain_traffic(config, world());
    EXPECT_TRUE(proof.equal) << proof.text;
    if (world().rank() == 0) {
      for (const std::string& method : sequence_method_names()) EXPECT_THAT(proof.text, HasSubstr(method));
    }
  }
}

TEST(SequenceBenchmark, HasARowForEachMethodRanksAndLength) {
  SequenceBenchmarkConfig config = small();
  config.methods = "ring, allgather_kv";
  config.ranks = world().size() > 1 ? "1,2" : "1";
  config.lengths = "32,64";
  const ResultTable table = benchmark_sequence(config, world());
  if (world().rank() == 0) {
    EXPECT_EQ(table.rows(), world().size() > 1 ? 8 : 4);
  }
}

TEST(SequenceBenchmark, SaysWhatCannotRun) {
  const auto with = [](auto change) {
    SequenceBenchmarkConfig config = small();
    change(config);
    return refusal(config);
  };
  EXPECT_THAT(with([](auto& c) { c.methods = "rinf"; }), HasSubstr("'rinf'"));
  EXPECT_THAT(with([](auto& c) { c.ranks = "64"; }), HasSubstr("64 ranks"));
  EXPECT_THAT(with([](auto& c) { c.ranks = "one"; }), HasSubstr("bench.ranks = 'one'"));
  EXPECT_THAT(with([](auto& c) { c.lengths = "8,-1"; }), HasSubstr("bench.lengths"));
  EXPECT_THAT(with([](auto& c) { c.kv_heads = 3; }), HasSubstr("bench.kv_heads = 3"));
  EXPECT_THAT(with([](auto& c) { c.inner = 5; }), HasSubstr("bench.inner = 5"));
  EXPECT_THAT(with([](auto& c) { c.repeats = 0; }), HasSubstr("bench.repeats"));
  if (world().size() > 1) {
    EXPECT_THAT(with([](auto& c) { c.methods = "window"; }), HasSubstr("sliding window"));
    EXPECT_THAT(with([](auto& c) {
                  c.methods = "ulysses";
                  c.heads = 1;
                }),
                HasSubstr("1 heads are too few"));
  }
}

// Products alone wait for nobody; messages alone take their delays; the whole hides what it can.
TEST(AttentionTrial, PartsAreMeasuredApart) {
  if (world().size() == 1) return;
  constexpr double kDelay = 0.05;
  const SpreadLayer layer{.sizes = {.heads = 2, .key_heads = 2, .head_width = 8},
                          .mask = {},
                          .length = 64,
                          .ranks = world().size(),
                          .inner = 1};
  const AttentionTrial trial("ring", layer, world());
  set_message_delay(kDelay);
  using Part = AttentionTrial::Part;
  EXPECT_LT(trial.time(Part::products).sum(), kDelay);
  const int hops = world().size() - 1;
  const PassSeconds messages = trial.time(Part::messages);
  EXPECT_GE(messages.forward, hops * kDelay);
  EXPECT_GE(messages.backward, (hops + 1) * kDelay);  // the last gradients come home after the last block
  EXPECT_GE(trial.time(Part::whole).forward, hops * kDelay);
  set_message_delay(0);
  EXPECT_EQ(trial.counted(), [&] {
    Traffic t = trial.closed_form();
    t.forward_returning_bytes = t.backward_returning_bytes = 0;
    return t;
  }());
}

}  // namespace
}  // namespace longspan
