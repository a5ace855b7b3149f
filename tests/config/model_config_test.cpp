#include "config/model_config.hpp"

#include <gtest/gtest.h>

#include "config/mixer_pattern.hpp"
#include "config/nearest_key.hpp"
#include "config/run_config.hpp"
#include "support/expect_error.hpp"

namespace longspan {
namespace {

using testing::sentence_of;
using Names = std::vector<std::string>;

TrainConfig parsed(std::vector<const char*> words) {
  TrainConfig config;
  Options options("longspan-test", "");
  bind(options, config);
  words.insert(words.begin(), "longspan-test");
  options.parse(static_cast<int>(words.size()), words.data());
  apply_preset(options, config.model);
  return config;
}

// Parameters of the blocks, embedding and head in closed form, against the published sizes.
double parameters(const ModelConfig& m, double vocabulary, double positions) {
  const double d = m.width, f = m.feed_forward_width(), kv = m.num_kv_heads() * m.head_width();
  const double feed_forward = (m.activation == "swiglu" ? 3 : 2) * d * f + (m.bias ? d + f : 0);
  const double attention = 2 * d * d + 2 * d * kv + (m.bias ? 2 * d + 2 * kv : 0);
  const double norm = m.norm == "layer" ? 2 * d : d;
  return m.layers * (attention + feed_forward + 2 * norm) + norm + vocabulary * d * (m.tied_embeddings ? 1 : 2) +
         (m.positions == "learned" ? positions * d : 0);
}

TEST(ModelPreset, ShapesHaveThePublishedParameterCounts) {
  const auto count = [](const char* name, double vocabulary, double positions) {
    const TrainConfig config = parsed({"--model.preset", name});
    check(config);
    return parameters(config.model, vocabulary, positions);
  };
  EXPECT_EQ(count("gpt2", 50257, 1024), 124439808);
  EXPECT_EQ(count("gpt2-medium", 50257, 1024), 354823168);
  EXPECT_EQ(count("gpt2-large", 50257, 1024), 774030080);
  EXPECT_EQ(count("gpt2-xl", 50257, 1024), 1557611200);
  EXPECT_EQ(count("llama-1b", 128256, 0), 1235814400);
  EXPECT_EQ(count("llama-7b", 32000, 0), 6738415616);
  EXPECT_EQ(count("llama-8b", 128256, 0), 8030261248);
}

TEST(ModelPreset, BertIsBidirectionalAndNeedsItsObjective) {
  const TrainConfig base = parsed({"--model.preset", "bert-base", "--objective.kind", "masked_token"});
  check(base);
  EXPECT_FALSE(base.model.causal);
  // 12 (12 d^2 + 13 d) + 2 d of the blocks and the norm behind them, 30522 words and 512 positions.
  EXPECT_EQ(parameters(base.model, 30522, 512), 85056000 + (30522 + 512) * 768);
  const TrainConfig large = parsed({"--model.preset", "bert-large", "--objective.kind", "masked_token"});
  EXPECT_EQ(parameters(large.model, 30522, 512), 302311424 + (30522 + 512) * 1024);
  EXPECT_EQ(sentence_of([] { check(parsed({"--model.preset", "bert-base"})); }),
            "objective.kind = next_token needs model.causal = true: a bidirectional model would read the token that it "
            "is asked for; use objective.kind = masked_token or a causal model");
  EXPECT_NE(sentence_of([] { check(parsed({"--objective.kind", "masked_token"})); }).find("needs model.causal = false"),
            std::string::npos);
}

TEST(ModelPreset, KeysSetByHandWin) {
  const TrainConfig config =
      parsed({"--model.layers", "2", "--model.preset", "llama-8b", "--model.tied_embeddings=true"});
  EXPECT_EQ(config.model.layers, 2);
  EXPECT_TRUE(config.model.tied_embeddings);
  EXPECT_EQ(config.model.width, 4096);
  EXPECT_EQ(config.model.rotary_base, 500000);
}

TEST(ModelConfig, FeedForwardWidthFollowsTheActivation) {
  ModelConfig model;
  EXPECT_EQ(model.feed_forward_width(), 4 * 384);
  model.activation = "swiglu";
  EXPECT_EQ(model.feed_forward_width(), 1024);
  model.width = 385;
  EXPECT_EQ(model.feed_forward_width(), 1056);
  model.feed_forward = 7;
  EXPECT_EQ(model.feed_forward_width(), 7);
}

std::vector<LayerMixer> mixers_of(const std::string& pattern, std::int64_t layers, std::int64_t window = 0) {
  ModelConfig model;
  model.mixers = pattern;
  model.layers = layers;
  model.window = window;
  return layer_mixers(model);
}

Names expanded(const std::string& pattern, std::int64_t layers) { return expand_pattern("a.key", pattern, layers); }

TEST(Pattern, IsRepeatedOverTheDepth) {
  EXPECT_EQ(expanded("attention", 2), (Names{"attention", "attention"}));
  EXPECT_EQ(expanded("deltanet*3, attention", 8),
            (Names{"deltanet", "deltanet", "deltanet", "attention", "deltanet", "deltanet", "deltanet", "attention"}));
  EXPECT_EQ(expanded(" a * 2 , b", 5), (Names{"a", "a", "b", "a", "a"}));
}

TEST(Pattern, MalformedOnesAreNamed) {
  for (const char* pattern : {"", ",", "a,", ",a", "a*", "a*0", "a*-1", "a*x", "*2", "a b", "A", "a*2*3", "a;b"}) {
    EXPECT_NE(sentence_of([&] { expanded(pattern, 8); }).find("malformed entry"), std::string::npos) << pattern;
  }
  EXPECT_EQ(sentence_of([] { expanded("a*3,b", 3); }),
            "a.key = 'a*3,b' has more entries than model.layers = 3; shorten it or add layers");
  EXPECT_NE(sentence_of([] { expanded("a*9000000000000000000", 3); }).find("more entries"), std::string::npos);
}

TEST(Pattern, IsWrittenShort) {
  EXPECT_EQ(pattern_of({"ring", "ring", "ring"}), "ring");
  EXPECT_EQ(pattern_of({"window", "window", "ring", "window"}), "window*2,ring,window");
  EXPECT_EQ(expanded(pattern_of({"a", "b", "b", "a"}), 4), (Names{"a", "b", "b", "a"}));
}

TEST(MixerPattern, AttentionMayHaveAWindowOfItsOwn) {
  using Mixers = std::vector<LayerMixer>;
  EXPECT_EQ(mixers_of("attention:512, gla", 3, 7), (Mixers{{"attention", 512}, {"gla", 7}, {"attention", 512}}));
  EXPECT_EQ(mixers_of("attention, attention:0*2", 3, 7),
            (Mixers{{"attention", 7}, {"attention", 0}, {"attention", 0}}));
  for (const char* pattern : {"gla:5", "attention:", "attention:x", "attention:5:5", ":5", "attention:-1"}) {
    EXPECT_NE(sentence_of([&] { mixers_of(pattern, 4); }).find("malformed entry"), std::string::npos) << pattern;
  }
}

TEST(NearestKey, CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("abc", "abc"), 0);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("layesr", "layers"), 1);
  EXPECT_EQ(nearest_key("run.setps", {"run.steps", "run.seed"}), "run.steps");
  EXPECT_EQ(nearest_key("zzz", {"run.steps", "run.seed"}), "");
}

TEST(CheckConfig, DefaultsAreValid) { EXPECT_NO_THROW(check(TrainConfig())); }

TEST(CheckConfig, TensorRanksMustDivideTheHeads) {
  EXPECT_EQ(sentence_of([] { check(parsed({"--parallel.tensor", "4"})); }),
            "model.heads = 6 cannot be shared by parallel.tensor = 4 ranks; use a divisor of 6");
  EXPECT_EQ(sentence_of([] { check(parsed({"--parallel.tensor", "3", "--model.kv_heads", "2"})); }),
            "model.kv_heads = 2 cannot be shared by parallel.tensor = 3 ranks; use a divisor of 2");
}

TEST(CheckConfig, SequencesShorterThanTheSequenceAxisAreAllowed) {
  EXPECT_NO_THROW(check(parsed({"--data.sequence_length", "1", "--parallel.sequence", "8"})));
}

TEST(CheckConfig, EveryRuleNamesItsKey) {
  const std::vector<std::pair<const char*, const char*>> wrong = {
      {"--run.name=", "run.name"},
      {"--run.name=a/b", "run.name"},
      {"--run.name=..", "run.name"},
      {"--run.directory=", "run.directory"},
      {"--run.resume=", "run.resume"},
      {"--run.steps=0", "run.steps"},
      {"--run.seed=-1", "run.seed"},
      {"--run.log_every=0", "run.log_every"},
      {"--model.layers=0", "model.layers"},
      {"--model.width=0", "model.width"},
      {"--model.heads=0", "model.heads"},
      {"--model.heads=7", "model.heads = 7"},
      {"--model.heads=128", "even head width"},
      {"--model.kv_heads=4", "model.kv_heads = 4"},
      {"--model.kv_heads=-1", "model.kv_heads"},
      {"--model.feed_forward=-1", "model.feed_forward"},
      {"--model.window=-1", "model.window"},
      {"--model.linformer_rank=0", "model.linformer_rank"},
      {"--model.dropout=1", "model.dropout"},
      {"--model.dropout=-0.1", "model.dropout"},
      {"--model.norm_epsilon=0", "model.norm_epsilon"},
      {"--model.rotary_base=0", "model.rotary_base"},
      {"--model.init_deviation=0", "model.init_deviation"},
      {"--model.mixers=a**", "model.mixers"},
      {"--parallel.data=0", "parallel.data"},
      {"--parallel.data=3", "data.batch = 8"},
      {"--parallel.tensor=0", "parallel.tensor"},
      {"--parallel.pipeline=0", "parallel.pipeline"},
      {"--parallel.pipeline=7", "model.layers = 6"},
      {"--parallel.sequence=0", "parallel.sequence"},
      {"--parallel.microbatches=0", "parallel.microbatches"},
      {"--parallel.microbatches=3", "data.batch = 8"},
      {"--parallel.zero=4", "use 0, 1, 2 or 3"},
      {"--parallel.sequence_method=rings", "parallel.sequence_method"},
      {"--objective.label_smoothing=1", "objective.label_smoothing"},
      {"--objective.z_loss=-1", "objective.z_loss"},
      {"--parallel.recompute=blocks", "parallel.recompute"},
      {"--parallel.recompute=every:0", "parallel.recompute"},
      {"--parallel.recompute=every:two", "parallel.recompute"},
      {"--parallel.recompute=fit", "run.memory_limit"},
      {"--data.sequence_length=0", "data.sequence_length"},
      {"--data.batch=0", "data.batch"},
      {"--data.validation_fraction=0.6", "data.validation_fraction"},
      {"--objective.kind=mask", "objective.kind"},
      {"--objective.masked_fraction=0", "objective.masked_fraction"},
      {"--objective.masked_fraction=1.5", "objective.masked_fraction"},
      {"--optimizer.learning_rate=0", "optimizer.learning_rate"},
      {"--optimizer.warmup=-1", "optimizer.warmup"},
      {"--optimizer.final_fraction=1.5", "optimizer.final_fraction"},
      {"--optimizer.beta1=1", "optimizer.beta1"},
      {"--optimizer.beta2=-0.5", "optimizer.beta2"},
      {"--optimizer.epsilon=0", "optimizer.epsilon"},
      {"--optimizer.weight_decay=-1", "optimizer.weight_decay"},
      {"--optimizer.clip=-1", "optimizer.clip"},
      {"--checkpoint.every=-1", "checkpoint.every"},
      {"--checkpoint.keep=-1", "checkpoint.keep"},
      {"--validation.every=-1", "validation.every"},
      {"--validation.sequences=0", "validation.sequences"},
  };
  for (const auto& [word, key] : wrong) {
    // "--key=" is no word that the command line parser takes; the value follows as a word of its own.
    const std::string text = word;
    const std::string name = text.substr(0, text.find('=')), value = text.substr(text.find('=') + 1);
    EXPECT_NE(sentence_of([&] { check(parsed({name.c_str(), value.c_str()})); }).find(key), std::string::npos) << word;
  }
}

TEST(CheckConfig, FeedForwardNeedsAColumnForEachTensorRank) {
  EXPECT_NE(sentence_of([] {
              check(parsed({"--model.feed_forward=1", "--parallel.tensor=2"}));
            }).find("each rank needs a column"),
            std::string::npos);
}

}  // namespace
}  // namespace longspan
