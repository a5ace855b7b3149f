#include "train/plan.hpp"

#include <format>

#include "tensor/device.hpp"
#include "train/progress.hpp"

namespace longspan {

std::string describe_plan(const Session& session) {
  const TrainConfig& config = session.config();
  const TokenStoreInfo& corpus = session.corpus().info();
  const auto parameters = static_cast<double>(session.parameters());
  const double flops =
      session.decoder().training_flops(config.data.sequence_length) * static_cast<double>(config.data.batch);
  const auto tokens = static_cast<double>(config.data.batch * config.data.sequence_length);
  const std::int64_t state = session.mesh().world().all_reduce_value(session.state_bytes(), Reduce::max);
  std::string text;
  const auto line = [&text](const char* what, const std::string& value) {
    text += std::format("{}{:<11}{}", text.empty() ? "" : "\n", what, value);
  };
  line("model", std::format("{} layers, width {}, {} heads ({} for keys), feed-forward {}: {} parameters, {}",
                            config.model.layers, config.model.width, config.model.heads, config.model.num_kv_heads(),
                            config.model.feed_forward_width(), format_count(parameters), config.run.dtype));
  line("objective",
       config.objective.kind == "next_token"
           ? std::string("the next token, causal")
           : std::format("masked tokens ({:.3g} % of them), bidirectional", 100 * config.objective.masked_fraction));
  line("mesh", std::format("{} = {} ranks, each {}", session.mesh().shape().str(), session.mesh().shape().size(),
                           device::description()));
  line("corpus", std::format("{}: {} tokens in {} documents, {} ({} vocabulary)", session.corpus().path(),
                             format_count(static_cast<double>(corpus.tokens)), corpus.documents, corpus.tokenizer,
                             corpus.vocabulary));
  line("step",
       std::format("{} sequences of {} tokens in {} microbatches: {} tokens, {:.1f} GFLOP", config.data.batch,
                   config.data.sequence_length, config.parallel.microbatches, format_count(tokens), flops / 1e9));
  line("run", std::format("{} steps, {} tokens, {:.2f} passes over the corpus", config.run.steps,
                          format_count(tokens * static_cast<double>(config.run.steps)),
                          tokens * static_cast<double>(config.run.steps) / static_cast<double>(corpus.tokens)));
  line("memory",
       std::format("{} on the fullest rank for parameters, gradients and optimizer; activations come on top{}",
                   format_bytes(static_cast<double>(state)),
                   config.run.memory_limit > 0
                       ? std::format("; limit {}", format_bytes(static_cast<double>(config.run.memory_limit)))
                       : ""));
  return text;
}

}  // namespace longspan
