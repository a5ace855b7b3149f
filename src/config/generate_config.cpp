#include "config/generate_config.hpp"

#include "base/error.hpp"

namespace longspan {

void bind(Options& options, GenerateConfig& c) {
  options.add("generate.prompt", c.prompt, "text that is continued; empty: the start of a document")
      .add("generate.tokens", c.tokens, "tokens a sample, at most; a document's end stops it")
      .add("generate.samples", c.samples, "samples, each with its own random numbers")
      .add("generate.temperature", c.temperature, "divides the logits; 0 always takes the likeliest token")
      .add("generate.top_k", c.top_k, "sample among the k likeliest tokens; 0: all")
      .add("generate.top_p", c.top_p, "sample among the likeliest tokens that together hold this probability")
      .add("generate.seed", c.seed, "of the random numbers");
}

void check(const GenerateConfig& c) {
  if (c.tokens < 1) throw UserError("generate.tokens = {} must be at least 1", c.tokens);
  if (c.samples < 1) throw UserError("generate.samples = {} must be at least 1", c.samples);
  if (c.temperature < 0) throw UserError("generate.temperature = {} must not be negative", c.temperature);
  if (c.top_k < 0) throw UserError("generate.top_k = {} must not be negative; 0 samples among all tokens", c.top_k);
  if (!(c.top_p > 0 && c.top_p <= 1)) throw UserError("generate.top_p = {} must be above 0 and at most 1", c.top_p);
}

}  // namespace longspan
