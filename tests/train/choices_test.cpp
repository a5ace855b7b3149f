// What a run chooses by itself: parallel.sequence_method = auto, from rates that are given, a method for each kind of
// layer; parallel.recompute = fit. Both within the memory limit.
#include "train/sequence_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/recompute_choice.hpp"
#include "train/step_account.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::int64_t kVocabulary = 257;

TrainConfig on_four_ranks(const std::string& mixers) {
  TrainConfig c;
  c.model.layers = 4;
  c.model.width = 32;
  c.model.heads = 4;
  c.model.mixers = mixers;
  c.data.task = "mqar";
  c.data.sequence_length = 1024;
  c.data.batch = 2;
  c.parallel.sequence = 4;
  return c;
}

// Messages at `bytes_per_second` in every direction; all-to-all as named.
MachineRates rates(double bytes_per_second, double all_to_all) {
  const LinkRates link{.one_way = bytes_per_second, .both_ways = bytes_per_second, .all_to_all = all_to_all};
  return {.forward = 1e9, .backward = 1e9, .all = link, .inner = link, .outer = link};
}

std::size_t bytes_with(TrainConfig config, const std::string& method) {
  config.parallel.sequence_method = method;
  return account_fullest_rank(config, 0, kVocabulary).peak_total;
}

std::size_t bytes_recomputing(TrainConfig config, const std::string& recompute) {
  config.parallel.recompute = recompute;
  config.run.memory_limit = 0;
  return account_fullest_rank(config, 0, kVocabulary).peak_total;
}

TEST(RecomputeChoice, TakesTheLeastThatFits) {
  TrainConfig c = on_four_ranks("attention");
  c.model.layers = 24;  // inputs of all blocks and the rest of one are less than what `linear` keeps
  const std::vector<std::string> cheapest_first = {"none", "selective", "every:4", "linear", "every:2", "block"};
  for (const std::string& expected : cheapest_first) {
    c.run.memory_limit = static_cast<std::int64_t>(bytes_recomputing(c, expected));
    const std::string chosen = choose_recompute(c, kVocabulary).recompute;
    for (const std::string& cheaper : cheapest_first) {
      if (cheaper == chosen) break;
      EXPECT_GT(bytes_recomputing(c, cheaper), static_cast<std::size_t>(c.run.memory_limit)) << cheaper;
    }
    EXPECT_LE(bytes_recomputing(c, chosen), static_cast<std::size_t>(c.run.memory_limit));
    if (!expected.starts_with("every")) {
      EXPECT_EQ(chosen, expected);
    }
  }
  c.run.memory_limit = 1000;
  EXPECT_EQ(choose_recompute(c, kVocabulary).recompute, "block");
  EXPECT_THAT(choose_recompute(c, kVocabulary).reason, HasSubstr("does not fit"));
}

// A token keeps less by what is made again: two norms and the joined heads of width D, the feed-forward's hidden F;
// then queries, keys and values too, and what becomes the hidden, of which swiglu has two.
TEST(RecomputeChoice, ALayerKeepsLessByWhatIsMadeAgain) {
  TrainConfig c = on_four_ranks("attention");
  c.run.dtype = "float64";
  const auto kept = [&](std::int64_t layers, const std::string& recompute) {
    c.model.layers = layers;
    c.parallel.recompute = recompute;
    return static_cast<std::int64_t>(account_fullest_rank(c, 0, kVocabulary).peak_of(Memory::activations));
  };
  const auto of_layer = [&](const std::string& recompute) { return kept(6, recompute) - kept(5, recompute); };
  const std::int64_t tokens = c.data.batch * c.data.sequence_length / c.parallel.sequence;
  for (const auto& [activation, before] : {std::pair("gelu", 1), std::pair("swiglu", 2)}) {
    c.model.activation = activation;
    const std::int64_t heads = 3 * c.model.width, hidden = c.model.feed_forward_width();
    EXPECT_EQ(of_layer("none") - of_layer("selective"), tokens * (3 * c.model.width + hidden) * 8) << activation;
    EXPECT_EQ(of_layer("selective") - of_layer("linear"), tokens * (heads + before * hidden) * 8) << activation;
  }
}

TEST(SequenceChoice, LayersWithTheSameWindowAreOneKind) {
  const TrainConfig c = on_four_ranks("attention:16,gla,attention,attention:16");
  const std::vector<AttentionKind> kinds = attention_kinds(c, 2);
  ASSERT_THAT(kinds, SizeIs(2));
  EXPECT_EQ(kinds[0].spread.mask.window, 16);
  EXPECT_THAT(kinds[0].layers, ElementsAre(0u, 3u));
  EXPECT_EQ(kinds[1].spread.mask.window, 0);
  EXPECT_THAT(kinds[1].layers, ElementsAre(2u));
}

TEST(SequenceChoice, EveryKindOfLayerGetsItsOwn) {
  TrainConfig c = on_four_ranks("attention:16,gla,attention,attention:16");
  c.parallel.sequence_shard = "contiguous";
  const std::vector<AttentionKind> kinds = attention_kinds(c, 2);
  // Slow links: edges alone for the windows; heads for positions where all keys must meet all queries.
  const SequenceChoice choice = choose_by_rates(c, kinds, {rates(1e6, 1e6), rates(1e6, 1e9)}, kVocabulary);
  EXPECT_EQ(choice.methods, "window*2,ulysses,window");
  EXPECT_THAT(choice.reasons, ElementsAre(HasSubstr("layers with a window of 16: window, chosen"),
                                          HasSubstr("layers without a window: ulysses, chosen")));
  c.parallel.sequence_method = choice.methods;
  EXPECT_NO_THROW(check(c));
}

TEST(SequenceChoice, AMethodThatDoesNotFitIsLeftAside) {
  TrainConfig c = on_four_ranks("attention");
  const std::vector<AttentionKind> kinds = attention_kinds(c, 2);
  const MachineRates fast_exchange = rates(1e6, 1e9);
  const auto chosen = [&] { return choose_by_rates(c, kinds, {fast_exchange}, kVocabulary); };
  ASSERT_EQ(chosen().methods, "ulysses");
  const std::size_t ulysses = bytes_with(c, "ulysses"), ring = bytes_with(c, "ring");
  ASSERT_LT(ring, ulysses);
  c.run.memory_limit = static_cast<std::int64_t>(ulysses);
  EXPECT_EQ(chosen().methods, "ulysses");
  c.run.memory_limit = static_cast<std::int64_t>(ulysses) - 1;
  const SequenceChoice thrifty = chosen();
  EXPECT_NE(thrifty.methods, "ulysses");
  EXPECT_LE(bytes_with(c, thrifty.methods), static_cast<std::size_t>(c.run.memory_limit));
  EXPECT_THAT(thrifty.reasons.front(), HasSubstr("(too large for run.memory_limit)"));
  c.run.memory_limit = 1000;
  EXPECT_EQ(chosen().methods, "ulysses");
  EXPECT_THAT(chosen().reasons.front(), HasSubstr("though nothing fits"));
}

}  // namespace
}  // namespace longspan
