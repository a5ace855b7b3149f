#include "data/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "data/masked_tokens.hpp"
#include "data/store_windows.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::ElementsAre;
using testing::ScratchFolder;
using testing::sentence_of;
using Tokens = std::vector<std::int32_t>;

// Token i of the corpus is i, the end of a document is the largest token; documents of `length` tokens with their end.
class Corpus {
 public:
  explicit Corpus(std::int64_t tokens, std::int64_t length = 7) : end_(static_cast<std::int32_t>(tokens)) {
    TokenStoreInfo info;
    info.tokenizer = "byte";
    info.vocabulary = tokens + 1;
    info.end_of_document = tokens;
    TokenStoreWriter writer(folder_.path("a.h5"), info);
    for (std::int64_t i = 0; i < tokens; ++i) {
      if (i % length == length - 1 || i + 1 == tokens) {
        writer.end_document();
      } else {
        writer.append({static_cast<std::int32_t>(i)});
      }
    }
    writer.finish();
    store = std::make_shared<TokenStore>(folder_.path("a.h5"));
  }
  std::int32_t end() const { return end_; }
  std::shared_ptr<TokenStore> store;

 private:
  ScratchFolder folder_;
  std::int32_t end_;
};

struct Settings {
  std::int64_t length, batch;
  double validation = 0;
  std::uint64_t seed = 1;
  int data_ranks = 1, data_rank = 0, microbatches = 1;
  bool masked = false;
};

std::shared_ptr<StoreWindows> windows(const Corpus& corpus, const Settings& s) {
  return std::make_shared<StoreWindows>(corpus.store, WindowSettings{s.length, s.seed, s.validation});
}

Loader loader_of(const Corpus& corpus, const Settings& s, const SequenceShard& shard) {
  std::shared_ptr<const SequenceSource> source = windows(corpus, s);
  if (s.masked) source = std::make_shared<MaskedTokens>(source, 0.5, s.seed);
  return {source,
          {.batch = s.batch, .microbatches = s.microbatches, .data_ranks = s.data_ranks, .data_rank = s.data_rank},
          shard};
}

SequenceShard whole(std::int64_t length) { return {ShardKind::contiguous, length, 1, 0}; }

// The windows of a microbatch, where each window begins with its own number times T (documents are long).
std::vector<std::int64_t> windows_of(const Microbatch& batch, std::int64_t length) {
  const Tokens tokens = batch.tokens.to_host<std::int32_t>();
  std::vector<std::int64_t> windows;
  for (std::int64_t b = 0; b < batch.tokens.dim(0); ++b) windows.push_back(tokens[b * length] / length);
  return windows;
}

TEST(Permuted, IsABijectionForEverySmallSize) {
  for (std::int64_t n = 1; n <= 500; ++n) {
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t x = permuted(i, n, 12345);
      EXPECT_TRUE(x >= 0 && x < n) << n;
      seen.insert(x);
    }
    EXPECT_EQ(static_cast<std::int64_t>(seen.size()), n);
  }
}

TEST(Permuted, GivesDistinctElementsOfLargeSizes) {
  for (const std::int64_t n : {(std::int64_t{1} << 32) + 1, (std::int64_t{1} << 40) - 3, std::int64_t{1} << 62}) {
    std::set<std::int64_t> seen;
    for (std::int64_t i = 0; i < 5000; ++i) {
      const std::int64_t x = permuted(i * (n / 5000), n, 7);
      EXPECT_TRUE(x >= 0 && x < n);
      seen.insert(x);
    }
    EXPECT_EQ(seen.size(), 5000u);
  }
}

TEST(Permuted, DependsOnItsKeyAndMixes) {
  const std::int64_t n = 1000;
  int same = 0, ascents = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    same += permuted(i, n, 1) == permuted(i, n, 2);
    ascents += i > 0 && permuted(i, n, 1) > permuted(i - 1, n, 1);
  }
  EXPECT_LT(same, 10);
  EXPECT_NEAR(ascents, n / 2, 100);
}

TEST(Loader, TargetsAreTheNextTokens) {
  const Corpus corpus(1000, 2000);
  const Loader loader = loader_of(corpus, Settings{10, 4}, whole(10));
  const Microbatch batch = loader.training(3, 0);
  const Tokens tokens = batch.tokens.to_host<std::int32_t>(), targets = batch.targets.to_host<std::int32_t>();
  EXPECT_EQ(batch.tokens.shape(), (Shape{4, 10}));
  EXPECT_EQ(batch.valid_targets, 40);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    EXPECT_EQ(tokens[i] % 10, static_cast<int>(i % 10));
    EXPECT_TRUE(targets[i] == tokens[i] + 1 || targets[i] == corpus.end()) << i;
  }
}

Settings masked(std::int64_t length, std::int64_t batch, double validation = 0) {
  return {.length = length, .batch = batch, .validation = validation, .masked = true};
}

Tokens tokens_of(const Microbatch& batch) { return batch.tokens.to_host<std::int32_t>(); }
Tokens targets_of(const Microbatch& batch) { return batch.targets.to_host<std::int32_t>(); }

TEST(Loader, MaskedTargetsAreTheOriginalTokens) {
  const Corpus corpus(1000, 2000);
  const Tokens original = tokens_of(loader_of(corpus, Settings{50, 4}, whole(50)).training(3, 0));
  const Microbatch batch = loader_of(corpus, masked(50, 4), whole(50)).training(3, 0);
  const Tokens tokens = tokens_of(batch), targets = targets_of(batch);
  std::int64_t asked = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    asked += targets[i] >= 0;
    EXPECT_EQ(targets[i] < 0 ? tokens[i] : targets[i], original[i]);
    EXPECT_LE(tokens[i], corpus.store->info().vocabulary);  // the mask is the first number behind the vocabulary
  }
  EXPECT_EQ(batch.valid_targets, asked);
  EXPECT_TRUE(asked > 60 && asked < 140) << asked;
  EXPECT_GT(std::ranges::count(tokens, corpus.store->info().vocabulary), 40);
}

TEST(Loader, MasksChangeFromEpochToEpochAndStayInValidation) {
  const Corpus corpus(1000, 2000);
  Settings s = masked(450, 1, 0.5);  // one window of each part
  const Loader loader = loader_of(corpus, s, whole(450));
  ASSERT_EQ(windows(corpus, s)->training_windows(), 1);
  EXPECT_NE(targets_of(loader.training(0, 0)), targets_of(loader.training(1, 0)));
  EXPECT_EQ(targets_of(loader.training(1, 0)), targets_of(loader.training(1, 0)));
  s.seed = 2;
  const Loader other = loader_of(corpus, s, whole(450));
  EXPECT_NE(targets_of(loader.training(0, 0)), targets_of(other.training(0, 0)));
  EXPECT_EQ(tokens_of(loader.validation(0, 1)), tokens_of(other.validation(0, 1)));
  EXPECT_EQ(targets_of(loader.validation(0, 1)), targets_of(other.validation(0, 1)));
}

TEST(Loader, DataRanksAndMicrobatchesSeeTheSameMasks) {
  const Corpus corpus(2000, 3000);
  const Loader one = loader_of(corpus, masked(7, 12), whole(7));
  Tokens parts;
  for (int rank = 0; rank < 3; ++rank) {
    Settings s = masked(7, 12);
    s.data_ranks = 3;
    s.data_rank = rank;
    s.microbatches = 2;
    for (int m = 0; m < 2; ++m) {
      const Tokens mine = targets_of(loader_of(corpus, s, whole(7)).training(5, m));
      parts.insert(parts.end(), mine.begin(), mine.end());
    }
  }
  EXPECT_EQ(parts, targets_of(one.training(5, 0)));
}

TEST(Loader, EpochVisitsEveryWindowOnceInItsOwnOrder) {
  const Corpus corpus(601, 1000);
  const Loader loader = loader_of(corpus, Settings{5, 6}, whole(5));
  ASSERT_EQ(windows(corpus, Settings{5, 6})->training_windows(), 120);
  const auto epoch = [&](std::int64_t number) {
    std::vector<std::int64_t> order;
    for (std::int64_t step = 20 * number; step < 20 * (number + 1); ++step) {
      for (const auto window : windows_of(loader.training(step, 0), 5)) order.push_back(window);
    }
    return order;
  };
  std::vector<std::int64_t> first = epoch(0), second = epoch(1);
  EXPECT_NE(first, second);
  EXPECT_EQ(first, epoch(0));
  EXPECT_FALSE(std::ranges::is_sorted(first));
  std::ranges::sort(first);
  std::ranges::sort(second);
  for (std::int64_t i = 0; i < 120; ++i) EXPECT_EQ(first[i], i);
  EXPECT_EQ(first, second);
}

TEST(Loader, SeedChangesTheOrder) {
  const Corpus corpus(601, 1000);
  Settings other = Settings{5, 6};
  other.seed = 2;
  EXPECT_NE(windows_of(loader_of(corpus, Settings{5, 6}, whole(5)).training(0, 0), 5),
            windows_of(loader_of(corpus, other, whole(5)).training(0, 0), 5));
}

TEST(Loader, DataRanksAndMicrobatchesCutTheSameStep) {
  const Corpus corpus(2000, 3000);
  const Loader one = loader_of(corpus, Settings{7, 12}, whole(7));
  for (const std::int64_t step : {0, 5, 40}) {
    const Tokens all = one.training(step, 0).tokens.to_host<std::int32_t>();
    Tokens parts;
    for (int rank = 0; rank < 3; ++rank) {
      Settings s = Settings{7, 12};
      s.data_ranks = 3;
      s.data_rank = rank;
      s.microbatches = 2;
      const Loader loader = loader_of(corpus, s, whole(7));
      for (int m = 0; m < 2; ++m) {
        const Microbatch batch = loader.training(step, m);
        EXPECT_EQ(batch.first_sequence, rank * 4 + m * 2);
        for (const auto token : batch.tokens.to_host<std::int32_t>()) parts.push_back(token);
      }
    }
    EXPECT_EQ(parts, all);
  }
}

TEST(Loader, SequenceShardsHoldTheirPositionsOfTheSameWindows) {
  const Corpus corpus(500, 11);
  for (const bool hide : {false, true}) {
    for (const std::int64_t length : {13, 3}) {
      Settings set{length, 2};
      set.masked = hide;
      const Loader one = loader_of(corpus, set, whole(length));
      const Microbatch all = one.training(1, 0);
      const Tokens tokens = all.tokens.to_host<std::int32_t>(), targets = all.targets.to_host<std::int32_t>();
      for (const auto kind : {ShardKind::contiguous, ShardKind::zigzag, ShardKind::striped}) {
        std::int64_t counted = 0;
        for (int part = 0; part < 4; ++part) {
          const SequenceShard shard(kind, length, 4, part);
          const Microbatch batch = loader_of(corpus, set, shard).training(1, 0);
          EXPECT_EQ(batch.document_starts, all.document_starts);
          const Tokens mine = batch.tokens.to_host<std::int32_t>(), next = batch.targets.to_host<std::int32_t>();
          const auto positions = shard.positions();
          for (std::size_t b = 0; b < 2; ++b) {
            for (std::size_t row = 0; row < positions.size(); ++row) {
              EXPECT_EQ(mine[b * positions.size() + row], tokens[b * length + positions[row]]);
              EXPECT_EQ(next[b * positions.size() + row], targets[b * length + positions[row]]);
            }
          }
          counted += batch.valid_targets;
        }
        EXPECT_EQ(counted, all.valid_targets);
      }
    }
  }
}

TEST(Loader, ValidationIsTheEndOfTheCorpusInOrder) {
  const Corpus corpus(1001, 2000);
  const Loader loader = loader_of(corpus, Settings{10, 4, 0.25}, whole(10));
  EXPECT_EQ(windows(corpus, Settings{10, 4, 0.25})->training_windows(), 75);
  EXPECT_EQ(loader.source().validation_count(), 25);
  const Microbatch batch = loader.validation(3, 4);
  EXPECT_EQ(batch.first_sequence, 3);
  EXPECT_THAT(windows_of(batch, 10), ElementsAre(78, 79, 80, 81));
  EXPECT_EQ(loader.validation(25, 0).tokens.dim(0), 0);
  EXPECT_THROW(loader.validation(22, 4), std::logic_error);
  for (std::int64_t step = 0; step < 50; ++step) {
    for (const auto window : windows_of(loader.training(step, 0), 10)) EXPECT_LT(window, 75);
  }
}

TEST(Loader, SmallFractionStillGivesOneValidationWindow) {
  const Corpus corpus(31, 100);
  const Loader loader = loader_of(corpus, Settings{10, 1, 0.001}, whole(10));
  EXPECT_EQ(windows(corpus, Settings{10, 1, 0.001})->training_windows(), 2);
  EXPECT_EQ(loader.source().validation_count(), 1);
  EXPECT_EQ(windows(corpus, Settings{10, 1})->validation_count(), 0);
}

TEST(Loader, DocumentStartsHaveZeroFirst) {
  const Corpus corpus(41, 7);  // documents start at 0, 7, 14, 21, 28, 35
  const Loader loader = loader_of(corpus, Settings{10, 1, 0.5}, whole(10));
  const auto starts = loader.validation(0, 2).document_starts;  // windows at 20 and 30
  EXPECT_THAT(starts[0], ElementsAre(0, 1, 8));
  EXPECT_THAT(starts[1], ElementsAre(0, 5));
  const Loader aligned = loader_of(corpus, Settings{7, 1, 0.5}, whole(7));
  EXPECT_THAT(aligned.validation(0, 1).document_starts[0], ElementsAre(0));  // the window is a document
}

TEST(Loader, TooSmallCorporaAreNamed) {
  const Corpus corpus(21, 100);
  EXPECT_NO_THROW(loader_of(corpus, Settings{20, 1}, whole(20)));
  EXPECT_NO_THROW(loader_of(corpus, Settings{10, 1, 0.1}, whole(10)));
  EXPECT_EQ(sentence_of([&] { loader_of(corpus, Settings{21, 1}, whole(21)); }),
            corpus.store->path() +
                " holds 21 tokens, but data.sequence_length = 21 needs at least 22; use shorter sequences or a larger "
                "corpus");
  EXPECT_THAT(sentence_of([&] { loader_of(corpus, Settings{11, 1, 0.1}, whole(11)); }),
              ::testing::HasSubstr("needs at least 23 for one training and one validation sequence"));
}

TEST(Loader, SequencesOfOneTokenWork) {
  const Corpus corpus(9, 3);
  const Loader loader = loader_of(corpus, Settings{1, 8}, whole(1));
  EXPECT_EQ(windows(corpus, Settings{1, 8})->training_windows(), 8);
  EXPECT_EQ(loader.training(0, 0).tokens.shape(), (Shape{8, 1}));
}

}  // namespace
}  // namespace longspan
