// What every token mixer of the registry must do, by name: right gradients, one rank's results on any tensor x sequence
// mesh, token-by-token extension equal to the forward pass, a cost.
#include "mixers/mixer.hpp"

#include <gmock/gmock.h>

#include "nn/layer_case.hpp"
#include "support/expect_error.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

ModelConfig small_model() {
  ModelConfig m;
  m.layers = 2, m.width = 16, m.heads = 4, m.kv_heads = 4;
  m.chunk = 3, m.state_width = 4;
  return m;
}

LayerCase mixer_case(const std::string& kind, const ModelConfig& model) {
  LayerCase c;
  c.D = model.width;
  c.make = [kind, model](ParameterStore& store) -> Forward {
    const std::shared_ptr<Mixer> mixer = make_mixer(kind, store, {.name = "mixer", .layer = 1, .model = model});
    return [mixer](const Context& context, const Variable& x) { return mixer->forward(context, x); };
  };
  if (model.positions == "rotary") {
    c.rotary = [model](const Tensor& positions) {
      return ops::make_rotary_table(positions, model.head_width(), model.rotary_base, Dtype::float64);
    };
  }
  return c;
}

std::vector<ModelConfig> variants() {
  std::vector<ModelConfig> all(4, small_model());
  all[1].kv_heads = 2;
  all[1].bias = true;
  all[2].positions = "alibi";
  all[3].positions = "none";
  all[3].window = 3;
  return all;
}

// Mixers whose sequence ranks share the heads.
bool shares_heads(const std::string& kind) {
  return kind == "elman" || kind == "gru" || kind == "lstm" || kind == "slstm";
}

Comm self() { return world().split("self", world().rank(), 0); }

class EveryMixer : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, EveryMixer, ::testing::ValuesIn(mixer_names()));

TEST_P(EveryMixer, GradientsOfTheLayerMatchCentralDifferences) {
  const Comm one = self();
  if (world().rank() != 0) return;  // no rank needs another here
  for (const ModelConfig& model : variants()) {
    LayerCase c = mixer_case(GetParam(), model);
    c.T = 5;
    expect_layer_gradients(c, one);
    c.document_starts = {{0, 2}, {1, 4}};
    expect_layer_gradients(c, one);
  }
}

TEST_P(EveryMixer, AnyTensorAndSequenceMeshGivesOneRanksResults) {
  const Comm one = self();
  for (const ModelConfig& model : variants()) {
    for (int tensor = 1; tensor <= world().size(); ++tensor) {
      const int sequence = world().size() / tensor;
      if (world().size() % tensor != 0 || model.num_kv_heads() % tensor != 0) continue;
      if (shares_heads(GetParam()) && model.heads / tensor < sequence) continue;
      LayerCase c = mixer_case(GetParam(), model);
      c.document_starts = {{0, 2}, {1, 4}};
      for (const ShardKind kind : {ShardKind::zigzag, ShardKind::contiguous, ShardKind::striped}) {
        expect_like_one_rank(c, world(), one, {.tensor = tensor, .sequence = sequence}, kind);
      }
    }
  }
}

// Pieces of 3, 1 and the rest against the whole sequence at once.
TEST_P(EveryMixer, ExtendingInPiecesEqualsTheForwardPass) {
  const Mesh mesh(self(), {});
  for (const ModelConfig& model : variants()) {
    const LayerCase c = mixer_case(GetParam(), model);
    ParameterStore store({}, {});
    const auto mixer = make_mixer(GetParam(), store, {.name = "mixer", .layer = 1, .model = model});
    store.allocate(Dtype::float64, 1, false);
    for (const auto& p : store.all()) LayerRun::set(*p, logical_values(*p, c.deviation));
    const Values x = c.x();
    Tape tape(false);
    // The rows of positions [first, first + n) of both sequences.
    const auto piece = [&](std::int64_t first, std::int64_t n, MixerCache* cache) {
      Values rows;
      for (std::int64_t b = 0; b < c.B; ++b) {
        const auto at = x.begin() + (b * c.T + first) * c.D;
        rows.insert(rows.end(), at, at + n * c.D);
      }
      SequenceContext sequence = make_sequence_context(SequenceShard(ShardKind::contiguous, n, 1, 0), first);
      if (c.rotary) sequence.rotary = c.rotary(sequence.positions);
      const Context context{.tape = tape, .mesh = mesh, .sequence = sequence, .batch = c.B};
      const Variable in(tensor_as<double>(rows, {c.B, n, c.D}));
      return to_values((cache ? mixer->extend(context, in, *cache) : mixer->forward(context, in)).value());
    };
    const Values whole = piece(0, c.T, nullptr);
    const auto cache = mixer->make_cache(c.B, c.T, Dtype::float64);
    std::int64_t first = 0;
    for (const std::int64_t n : {std::int64_t{3}, std::int64_t{1}, c.T - 4}) {
      const Values part = piece(first, n, cache.get());
      for (std::int64_t b = 0; b < c.B; ++b) {
        const auto at = whole.begin() + (b * c.T + first) * c.D;
        EXPECT_LT(
            distance(Values(part.begin() + b * n * c.D, part.begin() + (b + 1) * n * c.D), Values(at, at + n * c.D)),
            1e-12);
      }
      first += n;
    }
  }
}

TEST_P(EveryMixer, CostGrowsWithTheSequence) {
  ParameterStore store({}, {});
  const auto mixer = make_mixer(GetParam(), store, {.name = "mixer", .layer = 0, .model = small_model()});
  EXPECT_GT(mixer->cost(1).forward_flops, 0);
  EXPECT_GE(mixer->cost(200).forward_flops, 2 * mixer->cost(100).forward_flops);
  EXPECT_GT(mixer->cost(1).activation_elements, 0);
}

TEST(SharedHeads, MoreSequenceRanksThanHeadsAreRefused) {
  ParameterStore store({.tensor = 2, .sequence = 3}, {});
  EXPECT_EQ(sentence_of([&] { make_mixer("lstm", store, {.name = "mixer", .model = small_model()}); }),
            "model.mixers = lstm cannot share 2 heads (model.heads / parallel.tensor) among parallel.sequence = 3 "
            "ranks; use at most 2 ranks there or more heads");
}

TEST(MixerRegistry, UnknownNameListsTheKnownOnes) {
  ParameterStore store({}, {});
  const std::string text = sentence_of([&] { make_mixer("mambo", store, {}); });
  EXPECT_THAT(text,
              ::testing::HasSubstr("model.mixers names the token mixer 'mambo', which does not exist; use one of: "));
  for (const std::string& name : mixer_names()) EXPECT_THAT(text, ::testing::HasSubstr(name));
}

}  // namespace
}  // namespace longspan::testing
