#include "models/decoder.hpp"

#include <numeric>

#include "autograd/functions/basic.hpp"
#include "autograd/functions/tensor_axis.hpp"
#include "autograd/recompute.hpp"
#include "models/flops.hpp"
#include "nn/contiguous.hpp"
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"

namespace longspan {

Decoder::Decoder(const DecoderSettings& settings, ParameterStore& store)
    : Decoder(settings, one_chunk(settings.model.layers), store) {}

Decoder::Decoder(const DecoderSettings& settings, const ModelSplit& split, ParameterStore& store)
    : settings_(settings), split_(split), store_(store) {
  const ModelConfig& model = settings_.model;
  const int layers = static_cast<int>(model.layers), last = split_.chunks() - 1;
  layers_ = layer_settings(settings_);
  // Groups in the order of the forward pass: embedding 0, block i at i + 1, head last. Where one stage has both ends of
  // a tied embedding its gradient is the embedding's group.
  embedding_group_ = 0;
  head_group_ = layers + 1;
  if (holds(0)) {
    declare_embedding(false);
    if (model.positions == "learned") {
      positions_ = store_.declare({.name = "positions.weight",
                                   .shape = {settings_.max_length, model.width},
                                   .shard = ParameterShard::by_position(0, settings_.shard),
                                   .init = Initializer::normal(model.init_deviation),
                                   .group = embedding_group_});
    }
  }
  for (int chunk = 0; chunk <= last; ++chunk) declare_blocks(chunk);
  if (holds(last)) declare_head();
}

void Decoder::declare_blocks(int chunk) {
  const auto before = static_cast<std::int64_t>(blocks_.size());
  const Range layers = holds(chunk) ? split_.layers[static_cast<std::size_t>(chunk)] : Range{};
  for (auto layer = static_cast<int>(layers.begin); layer < layers.end; ++layer) {
    const LayerSettings& own = layers_[static_cast<std::size_t>(layer)];
    blocks_.push_back(std::make_unique<Block>(store_, own.kind, own.mixer));
  }
  blocks_of_.push_back({before, static_cast<std::int64_t>(blocks_.size())});
}

void Decoder::declare_head() {
  const ModelConfig& model = settings_.model;
  final_norm_ = std::make_unique<Norm>(store_, "final_norm", model, head_group_);
  if (model.tied_embeddings) {
    if (!holds(0)) declare_embedding(true);
    head_ = embedding_;
    return;
  }
  head_ = store_.declare({.name = "head.weight",
                          .shape = {settings_.vocabulary, model.width},
                          .shard = {0, 1},
                          .init = Initializer::normal(model.init_deviation),
                          .decay = true,
                          .group = head_group_});
}

void Decoder::declare_embedding(bool tied_copy) {
  const ModelConfig& model = settings_.model;
  embedding_ = store_.declare({.name = "embedding.weight",
                               .shape = {settings_.vocabulary, model.width},
                               .shard = {0, 1},
                               .init = Initializer::normal(model.init_deviation),
                               .decay = true,
                               .group = tied_copy ? head_group_ : embedding_group_,
                               .tied_copy = tied_copy,
                               .tied = model.tied_embeddings && split_.stage_of.front() != split_.stage_of.back()});
}

SequenceContext Decoder::sequence_context(const SequenceShard& shard, Dtype dtype, std::int64_t first_position) const {
  SequenceContext context = make_sequence_context(shard, first_position);
  if (settings_.model.positions == "rotary") {
    const auto table = [&](const Indices& positions) {
      return ops::make_rotary_table(positions.host(), settings_.model.head_width(), settings_.model.rotary_base, dtype);
    };
    context.rotary = table(context.positions);
    if (context.contiguous) context.contiguous->sequence.rotary = table(context.contiguous->sequence.positions);
  }
  return context;
}

// Backward nodes run from last to first, so that what enters forward leaves backward.
void Decoder::enter(const Context& context, const Groups& groups, const Groups& next, const GroupDone& done) const {
  store_.fetch(context.mesh, groups, next);
  context.tape.record(
      "leave groups", [=, this] { store_.drop(groups); },
      [=] {
        if (done) done(groups.front());
      });
}

// Weight parts read no values, but other microbatches may have let the gradients go since the input part.
void Decoder::leave(const Context& context, const Groups& groups, const Groups& before) const {
  store_.drop(groups);
  context.tape.record(
      "enter groups",
      [=, this, &mesh = context.mesh] {
        store_.fetch(mesh, groups, before);
        store_.open_gradients(groups);
      },
      [=, this] { store_.open_gradients(groups); });
}

Decoder::Groups Decoder::block_groups(int chunk, std::int64_t i) const {
  const Range mine = blocks_of_[static_cast<std::size_t>(chunk)];
  if (i < mine.begin || i >= mine.end) return {};
  return {blocks_[static_cast<std::size_t>(i)]->group()};
}

// A tied head on the first stage reads the embedding.
Decoder::Groups Decoder::head_groups() const {
  if (head_->info().group == head_group_) return {head_group_};
  return {head_group_, head_->info().group};
}

// A tied head on the same stage has added its part by then: it does so in the input part of its backward, which comes
// before the embedding's for each microbatch.
Variable Decoder::embed(const Context& context, const Tensor& tokens, const GroupDone& done) const {
  Tape& tape = context.tape;
  const Groups own = {embedding_group_};
  store_.fetch(context.mesh, own, block_groups(0, blocks_of_.front().begin));
  // Backward reads no values.
  tape.record("leave embedding", {}, [=] {
    if (done) done(own.front());
  });
  const Comm& axis = context.mesh.tensor();
  Variable partial = embedding(tape, embedding_->variable(), tokens, embedding_->first());
  if (positions_ != nullptr && axis.rank() == 0) partial = add(tape, partial, embed_positions(context, tokens.shape()));
  store_.drop(own);
  tape.record("enter embedding", {}, [=, this] { store_.open_gradients(own); });
  Variable x = scatter_rows(tape, partial, axis);
  if (context.training()) {
    x = dropout(tape, x, settings_.model.dropout, hash_name("embedding", context.dropout_key), context.dropout_rows,
                settings_.model.width);
  }
  return x;
}

Variable Decoder::embed_positions(const Context& context, const Shape& tokens) const {
  std::vector<std::int32_t> rows = context.sequence.positions.host(), all;
  const SequenceShard table(settings_.shard, settings_.max_length, store_.mesh().sequence, store_.at().sequence);
  for (std::int32_t& row : rows) row = static_cast<std::int32_t>(table.place(row).row);
  for (std::int64_t b = 0; b < tokens[0]; ++b) all.insert(all.end(), rows.begin(), rows.end());
  return embedding(context.tape, positions_->variable(), Tensor::from_host(all, tokens), 0);
}

Variable Decoder::blocks(const Context& context, const Variable& x, int chunk, const GroupDone& done) const {
  Variable y = x;
  const Range mine = blocks_of_[static_cast<std::size_t>(chunk)];
  for (auto i = mine.begin; i < mine.end; ++i) {
    const Block* block = blocks_[static_cast<std::size_t>(i)].get();
    const bool last = i + 1 == mine.end && chunk + 1 == split_.chunks();
    enter(context, {block->group()}, last ? head_groups() : block_groups(chunk, i + 1), done);
    if (settings_.recompute.whole_block(block->layer())) {
      y = recompute(context.tape, y, [block, outer = context](Tape& tape, const Variable& input) {
        return block->forward(with_tape(outer, tape), input);
      });
    } else {
      y = block->forward(context, y);
    }
    leave(context, {block->group()}, block_groups(chunk, i - 1));
  }
  return y;
}

void Decoder::loss(const Context& context, const Variable& x, const Tensor& targets, double factor,
                   const AnswerSums& answers, const GroupDone& done) const {
  enter(context, head_groups(), {}, done);
  const Variable normed = final_norm_->forward(context, x);
  const Shape whole{targets.dim(0), targets.dim(1), settings_.model.width};
  const Variable input = gather_rows(context.tape, normed, whole, context.mesh.tensor());
  // What is told of validation is the plain loss.
  const ops::LossRule rule = context.tape.recording() ? settings_.loss : ops::LossRule{};
  linear_cross_entropy(context.tape, input, head_->variable(), targets, head_->first(), factor, context.mesh.tensor(),
                       answers, rule);
  leave(context, head_groups(), block_groups(split_.chunks() - 1, blocks_of_.back().end - 1));
}

Shape Decoder::residual_shape(std::int64_t batch, std::int64_t local_length) const {
  const std::int64_t ranks = store_.mesh().tensor, width = settings_.model.width;
  if (ranks == 1) return {batch, local_length, width};
  return {longspan::split(batch * local_length, ranks, store_.at().tensor).size(), width};
}

DecoderCache Decoder::make_cache(std::int64_t batch, std::int64_t max_length) const {
  DecoderCache cache;
  for (const auto& block : blocks_) {
    cache.layers.push_back(block->mixer().make_cache(batch, max_length, store_.dtype()));
  }
  return cache;
}

Tensor Decoder::next_logits(const Context& context, const Tensor& tokens, DecoderCache& cache) const {
  const std::int64_t b = tokens.dim(0), n = tokens.dim(1), d = settings_.model.width;
  Variable x = embed(context, tokens);
  for (std::size_t i = 0; i < blocks_.size(); ++i) x = blocks_[i]->extend(context, x, *cache.layers[i]);
  cache.length += n;
  const Tensor last = Tensor::empty({b, d}, x.value().dtype());
  ops::copy_columns(x.value().reshape({b, n * d}), (n - 1) * d, last);
  const Variable normed = final_norm_->forward(context, Variable(last));
  const Tensor logits = Tensor::empty({b, settings_.vocabulary}, accumulation_dtype(last.dtype()));
  ops::matmul(ops::MatrixRef(normed.value()), ops::MatrixRef(head_->value()).t(), ops::MatrixRef(logits));
  return logits;
}

double Decoder::training_flops(std::int64_t t) const {
  const ForwardFlops forward = forward_flops(settings_, t);
  return 3 * std::accumulate(forward.layers.begin(), forward.layers.end(), forward.head);
}

}  // namespace longspan
