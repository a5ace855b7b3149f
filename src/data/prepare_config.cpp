#include <filesystem>

#include "base/error.hpp"
#include "data/prepare.hpp"

namespace longspan {

void bind(Options& options, PrepareConfig& config) {
  options
      .add("prepare.input", config.input,
           "Files, folders (with all below them) and glob patterns, separated by commas; each file is a document.")
      .add("prepare.output", config.output, "Token store to write; replaced at the end where it exists.")
      .add("prepare.extensions", config.extensions,
           "Extensions of the files taken from folders, such as .txt,.rst; empty: all. Hidden files are left out.")
      .add_choice("prepare.tokenizer", config.tokenizer, {"byte", "sentencepiece"},
                  "Every byte is a token, or subwords are.")
      .add("prepare.vocabulary", config.vocabulary,
           "Pieces of a trained sentencepiece model; fewer where the text has no more.")
      .add("prepare.model", config.model, "Sentencepiece model to load; empty: one is trained on the input.")
      .add_bytes("prepare.train_bytes", config.train_bytes,
                 "Text that a tokenizer is trained on, bytes: the beginning of each file, in proportion to its size.")
      .add("prepare.threads", config.threads, "Threads that encode; 0: all cores.");
}

void check(const PrepareConfig& config) {
  if (config.input.empty()) throw UserError("prepare.input is empty; name files, folders or patterns");
  if (config.output.empty()) throw UserError("prepare.output is empty; name the token store to write");
  if (std::filesystem::is_directory(config.output)) {
    throw UserError("prepare.output = {} is a folder; name a file", config.output);
  }
  if (config.tokenizer == "byte" && !config.model.empty()) {
    throw UserError("prepare.model = {} needs prepare.tokenizer = sentencepiece", config.model);
  }
  if (config.train_bytes < 1)
    throw UserError("prepare.train_bytes = {} is too small; use 1M or more", config.train_bytes);
  if (config.threads < 0) throw UserError("prepare.threads = {} is negative; use 0 or more", config.threads);
}

}  // namespace longspan
