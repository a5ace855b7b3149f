#include "train/generator.hpp"

#include "base/hash.hpp"
#include "checkpoint/checkpoint.hpp"
#include "ops/elementwise.hpp"
#include "tensor/random.hpp"
#include "train/sampler.hpp"

namespace longspan {
namespace {

std::vector<double> to_doubles(const Tensor& logits) {
  const Tensor wide = Tensor::empty(logits.shape(), Dtype::float64, Memory::workspace, "logits");
  ops::copy(logits, wide);
  return wide.to_host<double>();
}

// The part of a text that ends with a whole UTF-8 character: bytes come one token at a time.
std::size_t whole_characters(const std::string& text) {
  std::size_t start = text.size();
  while (start > 0 && text.size() - start < 4) {
    const auto byte = static_cast<unsigned char>(text[--start]);
    if (byte < 0x80) return text.size();
    if (byte >= 0xc0) {
      const std::size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return start + length <= text.size() ? text.size() : start;
    }
  }
  return text.size();
}

}  // namespace

Generator::Generator(const std::string& checkpoint, const TrainConfig& config, const Comm& world)
    : config_(config), mesh_(world, MeshShape{}), store_(mesh_.shape(), mesh_.at()) {
  if (!config_.model.causal) {
    throw UserError(
        "{} holds a bidirectional model (model.causal = false), which does not continue texts; use a checkpoint of a "
        "causal one",
        checkpoint);
  }
  const TrainState state = read_checkpoint_info(checkpoint).state;
  tokenizer_ = make_tokenizer(state.tokenizer, state.tokenizer_model);
  decoder_ = std::make_unique<Decoder>(
      DecoderSettings{
          .model = config_.model, .vocabulary = state.vocabulary, .max_length = config_.data.sequence_length},
      store_);
  store_.allocate(parse_float_dtype(config_.run.dtype, "run.dtype"), state.seed, false);
  load_checkpoint(checkpoint, mesh_, store_, nullptr);
}

std::int64_t Generator::generate(const GenerateConfig& config, std::int64_t sample,
                                 const std::function<void(const std::string&)>& show) const {
  // A document starts after the end of another.
  std::vector<std::int32_t> tokens = {tokenizer_->end_of_document()};
  for (const std::int32_t token : tokenizer_->encode(config.prompt)) tokens.push_back(token);
  const auto prompt = static_cast<std::int64_t>(tokens.size());
  const std::int64_t length = prompt + config.tokens;
  if (config_.model.positions == "learned" && length > config_.data.sequence_length) {
    throw UserError("{} prompt tokens and generate.tokens = {} exceed the model's {} learned positions; ask for fewer",
                    prompt, config.tokens, config_.data.sequence_length);
  }
  DecoderCache cache = decoder_->make_cache(1, length);
  Tape tape(false);
  std::vector<std::int32_t> text_tokens;
  std::size_t shown = tokenizer_->decode(text_tokens).size();
  std::int64_t made = 0;
  const std::uint64_t key =
      hash_name("sample", static_cast<std::uint64_t>(config.seed)) + mix64(static_cast<std::uint64_t>(sample) + 1);
  while (made < config.tokens) {
    const auto n = static_cast<std::int64_t>(tokens.size());
    const SequenceContext sequence =
        decoder_->sequence_context(SequenceShard(ShardKind::contiguous, n, 1, 0), store_.dtype(), cache.length);
    const Context context{.tape = tape, .mesh = mesh_, .sequence = sequence, .batch = 1};
    const Tensor logits = decoder_->next_logits(context, Tensor::from_host(tokens, {1, n}), cache);
    const std::int32_t next =
        sample_token(to_doubles(logits), config, uniform_double(key, static_cast<std::uint64_t>(made)));
    if (next == tokenizer_->end_of_document()) break;
    ++made;
    text_tokens.push_back(next);
    const std::string text = tokenizer_->decode(text_tokens);
    const std::size_t whole = made == config.tokens ? text.size() : whole_characters(text);
    if (whole > shown) show(text.substr(shown, whole - shown));
    shown = std::max(shown, whole);
    tokens = {next};
  }
  return made;
}

}  // namespace longspan
