// Text from a checkpoint, token by token, on one rank: each token is processed once, the mixers' caches keep the rest.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/generate_config.hpp"
#include "config/run_config.hpp"
#include "data/tokenizer.hpp"
#include "models/decoder.hpp"

namespace longspan {

class Generator {
 public:
  // Loads `checkpoint`, which may come from any mesh. `config` is the one stored in it. UserError where the model is
  // bidirectional. Collective.
  Generator(const std::string& checkpoint, const TrainConfig& config, const Comm& world);

  // Calls `show` with each piece of text as it comes; returns the number of tokens generated. Sample number `sample`
  // has its own random numbers.
  std::int64_t generate(const GenerateConfig& config, std::int64_t sample,
                        const std::function<void(const std::string&)>& show) const;

 private:
  TrainConfig config_;
  Mesh mesh_;
  ParameterStore store_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

}  // namespace longspan
