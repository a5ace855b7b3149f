#include "train/session.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "config/mixer_pattern.hpp"
#include "data/masked_tokens.hpp"
#include "data/store_windows.hpp"
#include "data/tasks.hpp"
#include "mixers/mixer.hpp"
#include "mixers/sequence/choose.hpp"
#include "train/pipeline_config.hpp"
#include "train/recompute_choice.hpp"
#include "train/sequence_choice.hpp"

namespace longspan {
namespace {

int sequence_inner(const TrainConfig& config) {
  const ParallelConfig& p = config.parallel;
  if (p.sequence_inner > 0) return static_cast<int>(p.sequence_inner);
  // Of the methods of all layers those of double_ring come first: they follow the machine's nodes.
  const bool nested = p.sequence_method.find("double_ring") != std::string::npos;
  return neighbours(nested ? "double_ring" : "ulysses_ring", static_cast<int>(p.sequence),
                    config.model.num_kv_heads() / p.tensor);
}

// The error of one rank would leave the others waiting in the next collective: every rank opens the corpus itself and
// sees the same file, so that all of them throw.
std::shared_ptr<const TokenStore> open_corpus(const DataConfig& data) {
  if (data.task != "none") return nullptr;
  if (data.corpus.empty()) {
    throw UserError("data.corpus is not set; name a token store made by longspan-prepare, or a data.task");
  }
  return std::make_shared<const TokenStore>(data.corpus);
}

std::shared_ptr<const SequenceSource> make_source(const TrainConfig& config, std::shared_ptr<const TokenStore> corpus) {
  const std::int64_t length = config.data.sequence_length;
  const auto seed = static_cast<std::uint64_t>(config.run.seed);
  if (corpus == nullptr) return make_task(config.data.task, config.task, length, seed);
  const auto windows = std::make_shared<const StoreWindows>(
      std::move(corpus),
      WindowSettings{.length = length, .seed = seed, .validation_fraction = config.data.validation_fraction});
  if (config.objective.kind != "masked_token") return windows;
  return std::make_shared<const MaskedTokens>(windows, config.objective.masked_fraction, seed);
}

}  // namespace

MeshShape mesh_shape(const ParallelConfig& p) {
  return {static_cast<int>(p.data), static_cast<int>(p.tensor), static_cast<int>(p.pipeline),
          static_cast<int>(p.sequence)};
}

ShardKind shard_kind(const TrainConfig& config) {
  if (config.parallel.sequence_shard != "auto") return shard_kind(config.parallel.sequence_shard);
  const bool triangle =
      config.model.causal && !std::ranges::all_of(layer_mixers(config.model), is_recurrent, &LayerMixer::kind);
  return triangle ? ShardKind::zigzag : ShardKind::contiguous;
}

ShardKind shard_kind(const std::string& name) {
  for (const ShardKind kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
    if (name == to_string(kind)) return kind;
  }
  throw UserError("parallel.sequence_shard = '{}' is no shard; use auto, contiguous, zigzag or striped", name);
}

Session::Session(const TrainConfig& config, const Comm& world) : Session(config, world, open_corpus(config.data)) {}

Session::Session(const TrainConfig& config, const Comm& world, std::shared_ptr<const TokenStore> corpus)
    : config_(config),
      schedule_(pipeline_schedule(config.parallel)),
      sequence_inner_(sequence_inner(config)),
      mesh_(world, mesh_shape(config.parallel), sequence_inner_),
      dtype_(parse_float_dtype(config.run.dtype, "run.dtype")),
      corpus_(std::move(corpus)),
      shard_(shard_kind(config), config.data.sequence_length, mesh_.shape().sequence, mesh_.at().sequence),
      store_(mesh_.shape(), mesh_.at(), static_cast<int>(config.parallel.zero)) {
  const std::shared_ptr<const SequenceSource> source = make_source(config_, corpus_);
  const std::int64_t words = corpus_ ? corpus_->info().vocabulary : source->vocabulary();
  if (config_.parallel.sequence_method == "auto") {
    SequenceChoice choice = choose_sequence_methods(config_, mesh_, words);
    config_.parallel.sequence_method = choice.methods;
    sequence_choice_ = std::move(choice.reasons);
  }
  if (config_.parallel.recompute == "fit") {
    RecomputeChoice choice = choose_recompute(config_, mesh_.world(), words);
    config_.parallel.recompute = choice.recompute;
    recompute_choice_ = std::move(choice.reason);
  }
  MemoryPool::instance().set_limit(static_cast<std::size_t>(config_.run.memory_limit));
  loader_ = std::make_unique<Loader>(source,
                                     LoaderSettings{.batch = config_.data.batch,
                                                    .microbatches = config_.parallel.microbatches,
                                                    .data_ranks = mesh_.shape().data,
                                                    .data_rank = mesh_.at().data},
                                     shard_);
  const DecoderSettings settings{.model = config_.model,
                                 .vocabulary = vocabulary(),
                                 .max_length = config_.data.sequence_length,
                                 .shard = shard_.kind(),
                                 .mask_documents = config_.data.mask_documents,
                                 .recompute = parse_recompute(config_.parallel.recompute),
                                 .loss = {.smoothing = config_.objective.label_smoothing,
                                          .z_loss = config_.objective.z_loss,
                                          .vocabulary = vocabulary()},
                                 .sequence_method = config_.parallel.sequence_method,
                                 .sequence_inner = sequence_inner_};
  decoder_ = std::make_unique<Decoder>(settings, pipeline_split(config_, settings, schedule_), store_);
}

void Session::allocate(bool training) {
  store_.allocate(dtype_, static_cast<std::uint64_t>(config_.run.seed), training);
  if (training) optimizer_ = std::make_unique<Optimizer>(config_.optimizer, store_);
  sequence_ = std::make_unique<SequenceContext>(decoder_->sequence_context(shard_, dtype_));
  executor_ = std::make_unique<PipelineExecutor>(mesh_, *decoder_, *sequence_, schedule_, dtype_);
}

std::int64_t Session::parameters() const {
  ParameterStore one_rank({}, {});
  const Decoder whole(on_one_rank(decoder_->settings()), one_rank);
  return one_rank.counted_elements();
}

StateBytes Session::state_bytes() const {
  return longspan::state_bytes(store_.local_elements(), store_.owned_elements(),
                               static_cast<std::int64_t>(size_of(dtype_)),
                               static_cast<std::int64_t>(size_of(accumulation_dtype(dtype_))), store_.zero());
}

Session::Validation Session::validate() {
  const std::int64_t count = std::min(config_.validation.sequences, loader_->source().validation_count());
  const Range mine = split(count, mesh_.shape().data, mesh_.at().data);
  const std::int64_t size =
      std::max<std::int64_t>(1, config_.data.batch / (config_.parallel.data * config_.parallel.microbatches));
  const std::int64_t batches = (mine.size() + size - 1) / size;
  double targets = 0;
  const StepInput input{.microbatch =
                            [&](std::int64_t m) {
                              const std::int64_t first = mine.begin + m * size;
                              Microbatch data = loader_->validation(first, std::min(size, mine.end - first));
                              targets += static_cast<double>(data.valid_targets);
                              return data;
                            },
                        .mask_documents = config_.data.mask_documents};
  const Answers answers = executor_->evaluate(input, batches).total(mesh_);
  const double all = mesh_.replicas().all_reduce_value(targets);
  if (all == 0) {
    throw UserError(
        "no token of the {} validation sequences is hidden; raise validation.sequences or objective.masked_fraction",
        count);
  }
  return {.loss = answers.loss / all, .accuracy = answers.correct / all};
}

double Session::bits_per_byte(double loss) const {
  if (!corpus_) return std::numeric_limits<double>::quiet_NaN();
  const TokenStoreInfo& info = corpus_->info();
  return loss / std::numbers::ln2 * static_cast<double>(info.tokens) / static_cast<double>(info.source_bytes);
}

}  // namespace longspan
