// Text files to a token store: what longspan-prepare does, on one rank.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "config/options.hpp"
#include "data/corpus_files.hpp"
#include "data/token_store.hpp"

namespace longspan {

struct PrepareConfig {
  std::string input;
  std::string output;
  std::string tokenizer = "byte";         // byte, sentencepiece
  std::string model;                      // a sentencepiece model to load; empty: train one
  std::string extensions;                 // ".txt,.rst"; empty: all
  std::int64_t vocabulary = 8192;         // of a trained sentencepiece model
  std::int64_t train_bytes = 50ll << 20;  // of the corpus that a tokenizer is trained on
  std::int64_t threads = 0;               // that encode; 0: all cores
};

struct PrepareReport {
  TokenStoreInfo info;
  std::int64_t files_skipped = 0;  // no text
  double entropy = 0;              // of single tokens, nats per token
  std::string str() const;         // several lines for people
};

void bind(Options& options, PrepareConfig& config);
void check(const PrepareConfig& config);

using Say = std::function<void(const std::string& line)>;

// Trains a tokenizer where one is wanted, then streams the files into config.output, which is replaced at the end.
// `say` gets a line of progress every few seconds.
PrepareReport prepare(const PrepareConfig& config, const std::vector<CorpusFile>& files, const Say& say);

}  // namespace longspan
