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
  m.norm_epsilon = 0.01;  // the norm of a head whose output is almost zero bends within the step of the differences
  return m;
}

MixerSettings settings(const ModelConfig& model, std::int64_t length, bool mask_documents = false,
                       ShardKind shard = ShardKind::zigzag) {
  return {.name = "mixer",
          .layer = 1,
          .model = model,
          .max_length = length,
          .shard = shard,
          .mask_documents = mask_documents};
}

LayerCase mixer_case(const std::string& kind, const ModelConfig& model, std::int64_t length = LayerCase{}.T,
                     ShardKind shard = ShardKind::zigzag) {
  LayerCase c;
  c.D = model.width;
  c.T = length;
  c.make = [kind, model, length, shard](ParameterStore& store) -> Forward {
    const std::shared_ptr<Mixer> mixer = make_mixer(kind, store, settings(model, length, false, shard));
    return [mixer](const Context& context, const Variable& x) { return mixer->forward(context, x); };
  };
  if (model.positions == "rotary") {
    c.rotary = [model](const std::vector<std::int32_t>& positions) {
      return ops::make_rotary_table(positions, model.head_width(), model.rotary_base, Dtype::float64);
    };
  }
  return c;
}

bool accepts(const std::string& kind, const ModelConfig& model, bool mask_documents = false) {
  ParameterStore store({}, {});
  try {
    make_mixer(kind, store, settings(model, 1, mask_documents));
    return true;
  } catch (const UserError&) {
    return false;
  }
}

// Those that the mixer does not refuse.
std::vector<ModelConfig> variants(const std::string& kind) {
  std::vector<ModelConfig> all(4, small_model()), accepted;
  all[1].kv_heads = 2;
  all[1].bias = true;
  all[2].positions = "alibi";
  all[3].positions = "none";
  all[3].window = 3;
  for (std::size_t i = 0; i < 4; ++i) {
    all.push_back(all[i]);
    all.back().causal = false;
  }
  all.push_back(all[4]);
  all.back().positions = "none";
  for (ModelConfig& model : all) {
    model.linformer_rank = 3;
    if (accepts(kind, model)) accepted.push_back(model);
  }
  EXPECT_GE(accepted.size(), 3U) << kind;
  return accepted;
}

// Documents inside the sequences, where the mixer keeps them apart.
std::vector<std::vector<std::int64_t>> some_documents(const std::string& kind, const ModelConfig& model) {
  using Starts = std::vector<std::vector<std::int64_t>>;
  return accepts(kind, model, true) ? Starts{{0, 2}, {1, 4}} : Starts{};
}

Comm self() { return world().split("self", world().rank(), 0); }

class EveryMixer : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, EveryMixer, ::testing::ValuesIn(mixer_names()));

TEST_P(EveryMixer, GradientsOfTheLayerMatchCentralDifferences) {
  if (world().size() > 1) GTEST_SKIP() << "one rank's matter: it runs where the test is started on one";
  const Comm one = self();
  for (const ModelConfig& model : variants(GetParam())) {
    LayerCase c = mixer_case(GetParam(), model, 5);
    expect_layer_gradients(c, one);
    c.document_starts = some_documents(GetParam(), model);
    if (!c.document_starts.empty()) expect_layer_gradients(c, one);
  }
}

TEST_P(EveryMixer, AnyTensorAndSequenceMeshGivesOneRanksResults) {
  const Comm one = self();
  for (const ModelConfig& model : variants(GetParam())) {
    for (int tensor = 1; tensor <= world().size(); ++tensor) {
      const int sequence = world().size() / tensor;
      if (world().size() % tensor != 0 || model.num_kv_heads() % tensor != 0) continue;
      for (const ShardKind kind : {ShardKind::zigzag, ShardKind::contiguous, ShardKind::striped}) {
        LayerCase c = mixer_case(GetParam(), model, LayerCase{}.T, kind);
        c.document_starts = some_documents(GetParam(), model);
        expect_like_one_rank(c, world(), one, {.tensor = tensor, .sequence = sequence}, kind);
      }
    }
  }
}

// Other tokens in one document leave the outputs of the others as they are, but for the rounding of sums of log decays
// that run on over a start.
TEST_P(EveryMixer, DocumentsDoNotLeak) {
  const Comm one = self();
  for (const ModelConfig& model : variants(GetParam())) {
    LayerCase c = mixer_case(GetParam(), model);
    c.document_starts = some_documents(GetParam(), model);
    if (c.document_starts.empty()) continue;
    const LayerRun run(c, one, {});
    const auto outputs = [&](const Values& x) {
      Tape tape(false);
      return to_values(run.forward(tape, Variable(tensor_as<double>(x, c.shape()))).value());
    };
    const Values x = c.x(), y = outputs(x);
    // The first documents end before row 2 of sequence 0 and row 4 of sequence 1.
    const std::int64_t ends[] = {2 * c.D, (c.T + 4) * c.D};
    for (const bool before : {true, false}) {
      Values changed = x;
      const auto touched = [&](std::int64_t i) { return (i < ends[i / (c.T * c.D)]) == before; };
      for (std::int64_t i = 0; i < c.shape().size(); ++i) changed[i] += touched(i) ? 1 : 0;
      const Values other = outputs(changed);
      double moved = 0;
      for (std::int64_t i = 0; i < c.shape().size(); ++i) {
        if (!touched(i)) {
          EXPECT_NEAR(other[i], y[i], 1e-14) << i;
        }
        moved = std::max(moved, std::abs(other[i] - y[i]));
      }
      EXPECT_GT(moved, 1e-3);
    }
  }
}

// Pieces of 3, 1 and the rest against the whole sequence at once.
TEST_P(EveryMixer, ExtendingInPiecesEqualsTheForwardPass) {
  const Mesh mesh(self(), {});
  for (const ModelConfig& model : variants(GetParam())) {
    if (!model.causal) continue;  // only causal models generate
    const LayerCase c = mixer_case(GetParam(), model);
    ParameterStore store({}, {});
    const auto mixer = make_mixer(GetParam(), store, settings(model, c.T));
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
      if (c.rotary) sequence.rotary = c.rotary(sequence.positions.host());
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
  const auto mixer = make_mixer(GetParam(), store, settings(variants(GetParam()).front(), 200));
  EXPECT_GT(mixer->cost(1).forward_flops, 0);
  const auto flops = [&](std::int64_t length) { return mixer->cost(length).forward_flops; };
  EXPECT_GT(flops(100) - flops(0), 0);
  EXPECT_GE(flops(200) - flops(100), flops(100) - flops(0));
  EXPECT_GT(mixer->cost(1).activation_elements, 0);
}

TEST(AttentionCost, CompleteRowsOfScoresAreKept) {
  const auto kept = [](const std::string& method, std::int64_t length) {
    ParameterStore store({}, {});
    const MixerSettings settings{.name = "mixer", .layer = 0, .model = small_model(), .sequence_method = method};
    return make_mixer("attention", store, settings)->cost(length).activation_elements;
  };
  EXPECT_EQ(kept("rsa", 50) - kept("ring", 50), 4 * 50);
  EXPECT_EQ(kept("ring", 100), kept("ring", 50));
}

TEST(MixerRegistry, UnknownNameListsTheKnownOnes) {
  ParameterStore store({}, {});
  const std::string text = sentence_of([&] { make_mixer("mambo", store, {}); });
  EXPECT_THAT(text,
              ::testing::HasSubstr("model.mixers names the token mixer 'mambo', which does not exist; use one of: "));
  for (const std::string& name : mixer_names()) EXPECT_THAT(text, ::testing::HasSubstr(name));
}

TEST(MixerRegistry, AMixerThatReadsOnlyOneSideIsRefusedWhereBothAreSeen) {
  ParameterStore store({}, {});
  ModelConfig model = small_model();
  EXPECT_EQ(sentence_of([&] { make_mixer("hydra", store, settings(model, 1)); }),
            "the mixer hydra reads a sequence from both ends; set model.causal = false or use another mixer");
  model.causal = false;
  EXPECT_EQ(
      sentence_of([&] { make_mixer("mamba", store, settings(model, 1)); }),
      "the mixer mamba reads only what came before a token; set model.causal = true or use a mixer that sees both "
      "sides (attention, hydra, linformer)");
}

}  // namespace
}  // namespace longspan::testing
