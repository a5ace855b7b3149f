// A corpus of bytes and a model that trains on it in milliseconds.
#pragma once

#include "base/hash.hpp"
#include "support/shared_folder.hpp"
#include "train/session.hpp"

namespace longspan::testing {

// A store of 80 documents of letters, written by rank 0. Collective.
inline std::string write_corpus(const SharedFolder& folder, const Comm& world) {
  const std::string path = folder.path("corpus.h5");
  if (world.rank() == 0) {
    TokenStoreWriter writer(path, {.tokenizer = "byte", .source = "test", .vocabulary = 257, .end_of_document = 256});
    for (int document = 0; document < 80; ++document) {
      std::vector<std::int32_t> tokens;
      const auto length = static_cast<int>(mix64(static_cast<std::uint64_t>(document)) % 90);
      for (int i = 0; i < length; ++i) tokens.push_back('a' + (i * (document % 3 + 1)) % 26);
      writer.append(tokens);
      writer.add_source_bytes(length);
      writer.end_document();
    }
    writer.finish();
  }
  world.barrier();
  return path;
}

inline TrainConfig small_run(const std::string& corpus) {
  TrainConfig c;
  c.run.steps = 100;
  c.model.layers = 2;
  c.model.width = 32;
  c.model.heads = 4;
  c.data.corpus = corpus;
  c.data.sequence_length = 33;
  c.data.batch = 4;
  c.optimizer.warmup = 2;
  return c;
}

}  // namespace longspan::testing
