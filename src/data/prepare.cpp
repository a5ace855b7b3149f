#include "data/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <future>
#include <numbers>
#include <sstream>
#include <thread>

#include "base/error.hpp"
#include "base/timer.hpp"
#include "data/sentencepiece_training.hpp"
#include "data/tokenizer.hpp"
#include "data/unigram.hpp"
#include "tensor/memory.hpp"

namespace longspan {
namespace {

constexpr double kProgressSeconds = 5;

std::int64_t total_bytes(const std::vector<CorpusFile>& files) {
  std::int64_t bytes = 0;
  for (const auto& file : files) bytes += file.bytes;
  return bytes;
}

std::string read_model(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) throw UserError("the tokenizer model {} cannot be read", path);
  std::ostringstream model;
  model << file.rdbuf();
  return model.str();
}

std::string train_model(const PrepareConfig& config, const std::vector<CorpusFile>& files) {
  const double share =
      static_cast<double>(config.train_bytes) / static_cast<double>(std::max<std::int64_t>(1, total_bytes(files)));
  CorpusReader reader(files, std::min(1.0, share));
  Block block;
  std::size_t at = 0;  // where the next line of the block begins
  const auto next_line = [&](std::string& line) {
    while (at == block.text.size()) {
      if (!reader.next(block)) return false;
      at = 0;
    }
    const std::size_t newline = block.text.find('\n', at);
    const std::size_t end = newline == std::string::npos ? block.text.size() : newline + 1;
    line = block.text.substr(at, end - at);
    at = end;
    return true;
  };
  return train_sentencepiece(next_line, config.vocabulary);
}

std::unique_ptr<Tokenizer> get_tokenizer(const PrepareConfig& config, const std::vector<CorpusFile>& files,
                                         const Say& say) {
  if (config.tokenizer == "byte") return make_byte_tokenizer();
  if (!config.model.empty()) return make_sentencepiece_tokenizer(read_model(config.model));
  const std::int64_t bytes = std::min(config.train_bytes, total_bytes(files));
  say(std::format("training {} pieces on {}", config.vocabulary, format_bytes(static_cast<double>(bytes))));
  return make_sentencepiece_tokenizer(train_model(config, files));
}

// The blocks' tokens, in the order of the blocks; thread t encodes blocks t, t + threads, ...
std::vector<std::vector<std::int32_t>> encode(const Tokenizer& tokenizer, const std::vector<Block>& blocks,
                                              std::size_t threads) {
  std::vector<std::vector<std::int32_t>> tokens(blocks.size());
  std::vector<std::future<void>> work;
  for (std::size_t t = 0; t < threads; ++t) {
    work.push_back(std::async(std::launch::async, [&, t] {
      for (std::size_t i = t; i < blocks.size(); i += threads) tokens[i] = tokenizer.encode(blocks[i].text);
    }));
  }
  for (auto& part : work) part.get();
  return tokens;
}

std::vector<Block> read_blocks(CorpusReader& reader, std::size_t most) {
  std::vector<Block> blocks;
  for (Block block; blocks.size() < most && reader.next(block);) blocks.push_back(std::move(block));
  return blocks;
}

}  // namespace

PrepareReport prepare(const PrepareConfig& config, const std::vector<CorpusFile>& files, const Say& say) {
  const auto tokenizer = get_tokenizer(config, files, say);
  const auto parent = std::filesystem::path(config.output).parent_path();
  std::error_code error;
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) throw UserError("the folder {} of prepare.output cannot be made: {}", parent.string(), error.message());

  TokenStoreInfo info;
  info.tokenizer = tokenizer->name();
  info.tokenizer_model = tokenizer->model();
  info.vocabulary = tokenizer->vocabulary();
  info.end_of_document = tokenizer->end_of_document();
  info.source = config.input;
  TokenStoreWriter writer(config.output, info);

  const auto cores = std::max<std::int64_t>(1, std::thread::hardware_concurrency());
  const auto threads = static_cast<std::size_t>(config.threads > 0 ? config.threads : cores);
  const std::size_t blocks_at_once = 16 * threads;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(info.vocabulary));
  CorpusReader reader(files);
  Timer total, since_progress;
  for (auto blocks = read_blocks(reader, blocks_at_once); !blocks.empty();
       blocks = read_blocks(reader, blocks_at_once)) {
    const auto tokens = encode(*tokenizer, blocks, threads);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      for (const auto token : tokens[i]) ++counts[static_cast<std::size_t>(token)];
      writer.append(tokens[i]);
      if (!blocks[i].ends_document) continue;
      writer.end_document();
      ++counts[static_cast<std::size_t>(info.end_of_document)];
    }
    if (since_progress.seconds() > kProgressSeconds) {
      since_progress.restart();
      const auto done = static_cast<double>(reader.bytes_read());
      const auto all = static_cast<double>(total_bytes(files) - reader.bytes_skipped());
      say(std::format("{} of {}, {}/s", format_bytes(done), format_bytes(all), format_bytes(done / total.seconds())));
    }
  }
  writer.add_source_bytes(reader.bytes_read());
  if (reader.bytes_read() == 0)
    throw UserError("no text in the {} files of prepare.input = {}", files.size(), config.input);
  return {writer.finish(), reader.files_skipped(), entropy(counts)};
}

std::string PrepareReport::str() const {
  const auto tokens = static_cast<double>(info.tokens), bytes = static_cast<double>(info.source_bytes);
  std::string text = std::format("documents         {}\n", info.documents);
  if (files_skipped > 0) text += std::format("files skipped     {} (they hold NUL bytes)\n", files_skipped);
  text += std::format("text              {} bytes\n", info.source_bytes);
  text += std::format("tokens            {} of a vocabulary of {}\n", info.tokens, info.vocabulary);
  text += std::format("bytes per token   {:.4f}\n", bytes / tokens);
  text += std::format("unigram entropy   {:.4f} nats per token, {:.4f} bits per byte\n", entropy,
                      entropy * tokens / bytes / std::numbers::ln2);
  return text;
}

}  // namespace longspan
