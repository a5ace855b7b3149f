// What each task promises of its sequences, checked without looking at how they are drawn.
#include "data/tasks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "support/expect_error.hpp"

namespace longspan {
namespace {

const std::vector<std::string> kTasks = {"mqar", "induction", "copy", "noise", "parity", "modular", "s5"};

std::int64_t count_targets(const Sequence& s) {
  return std::ranges::count_if(s.targets, [](auto t) { return t != kNoTarget; });
}

TEST(Tasks, SequencesDependOnSeedNumberAndPartAlone) {
  for (const std::string& name : kTasks) {
    const auto a = make_task(name, {}, 32, 1), b = make_task(name, {}, 32, 1), other = make_task(name, {}, 32, 2);
    std::set<std::vector<std::int32_t>> seen;
    for (const std::int64_t i : {0, 1, 2, 1000000}) {
      const Sequence s = a->training(i);
      EXPECT_EQ(s.tokens, b->training(i).tokens) << name;
      EXPECT_EQ(s.targets, b->training(i).targets) << name;
      EXPECT_EQ(s.tokens.size(), 32u);
      EXPECT_EQ(s.targets.size(), 32u);
      seen.insert({s.tokens, a->validation(i).tokens, other->training(i).tokens});
    }
    EXPECT_EQ(seen.size(), 12u) << name;
  }
}

TEST(Tasks, TokensAndTargetsAreOfTheVocabulary) {
  for (const std::string& name : kTasks) {
    for (const std::int64_t length : {16, 33}) {
      const auto task = make_task(name, {}, length, 3);
      std::int32_t largest = 0;
      for (std::int64_t i = 0; i < 200; ++i) {
        const Sequence s = task->training(i);
        EXPECT_GT(count_targets(s), 0) << name;
        for (const auto token : s.tokens) {
          EXPECT_GE(token, 0);
          largest = std::max(largest, token);
        }
        for (const auto target : s.targets) EXPECT_TRUE(target >= kNoTarget && target < task->vocabulary());
      }
      EXPECT_EQ(largest + 1, task->vocabulary()) << name;
    }
  }
}

TEST(Mqar, EachKeyIsAskedForOnceAndAnsweredByItsValue) {
  const TaskConfig c{.vocabulary = 30, .pairs = 6};
  const auto task = make_task("mqar", c, 40, 1);
  for (std::int64_t i = 0; i < 100; ++i) {
    const Sequence s = task->training(i);
    std::map<std::int32_t, std::int32_t> value;
    std::set<std::int32_t> values, asked;
    for (std::size_t p = 0; p < 6; ++p) {
      value[s.tokens[2 * p]] = s.tokens[2 * p + 1];
      values.insert(s.tokens[2 * p + 1]);
      EXPECT_TRUE(s.tokens[2 * p] >= 1 && s.tokens[2 * p] < 15);
      EXPECT_TRUE(s.tokens[2 * p + 1] >= 15 && s.tokens[2 * p + 1] < 30);
    }
    EXPECT_EQ(value.size(), 6u);
    EXPECT_EQ(values.size(), 6u);
    for (std::size_t t = 0; t < 40; ++t) {
      if (t < 12 || s.tokens[t] == 0) {
        EXPECT_EQ(s.targets[t], kNoTarget);
        continue;
      }
      EXPECT_EQ(t % 2, 0u);
      EXPECT_EQ(s.targets[t], value.at(s.tokens[t]));
      asked.insert(s.tokens[t]);
    }
    EXPECT_EQ(asked.size(), 6u);
  }
}

// p_1 / p_2 = 2^0.99 for the first key drawn.
TEST(Mqar, ShortGapsAreTwiceAsLikelyAsThoseOfTwiceTheLength) {
  const auto task = make_task("mqar", {.vocabulary = 8, .pairs = 1}, 66, 1);
  std::map<std::size_t, int> gaps;
  for (std::int64_t i = 0; i < 20000; ++i) {
    const Sequence s = task->training(i);
    for (std::size_t t = 2; t < 66; ++t) gaps[t] += s.tokens[t] != 0;
  }
  EXPECT_NEAR(static_cast<double>(gaps[2]) / gaps[4], std::pow(2, 0.99), 0.15);
  EXPECT_NEAR(static_cast<double>(gaps[2]) / gaps[16], std::pow(8, 0.99), 1.2);
}

TEST(Induction, TheEndAsksForWhatFollowedTheSpecialToken) {
  const auto task = make_task("induction", {.vocabulary = 16}, 12, 1);
  std::set<std::size_t> places;
  for (std::int64_t i = 0; i < 300; ++i) {
    const Sequence s = task->training(i);
    EXPECT_EQ(std::ranges::count(s.tokens, 0), 2);
    const auto place = static_cast<std::size_t>(std::ranges::find(s.tokens, 0) - s.tokens.begin());
    places.insert(place);
    EXPECT_EQ(s.tokens.back(), 0);
    EXPECT_EQ(s.targets.back(), s.tokens[place + 1]);
    EXPECT_EQ(count_targets(s), 1);
  }
  EXPECT_EQ(places.size(), 10u);  // anywhere but at the last two positions
}

TEST(Copy, MarkersAskForTheItemsInOrder) {
  const auto task = make_task("copy", {.vocabulary = 10, .items = 5}, 30, 1);
  std::set<std::size_t> places;
  for (std::int64_t i = 0; i < 300; ++i) {
    const Sequence s = task->training(i);
    std::vector<std::int32_t> items;
    for (std::size_t t = 0; t < 25; ++t) {
      EXPECT_EQ(s.targets[t], kNoTarget);
      EXPECT_LT(s.tokens[t], 9);
      if (s.tokens[t] == 0) continue;
      items.push_back(s.tokens[t]);
      places.insert(t);
    }
    EXPECT_EQ(items, std::vector<std::int32_t>(s.targets.begin() + 25, s.targets.end()));
    for (std::size_t t = 25; t < 30; ++t) EXPECT_EQ(s.tokens[t], 9);
  }
  EXPECT_EQ(places.size(), 25u);
}

TEST(Parity, EveryPositionCountsTheOnesBefore) {
  const Sequence s = make_task("parity", {}, 50, 1)->training(7);
  for (std::size_t t = 0; t < 50; ++t) {
    EXPECT_EQ(s.targets[t], std::count(s.tokens.begin(), s.tokens.begin() + static_cast<std::int64_t>(t) + 1, 1) % 2);
  }
}

TEST(Modular, DigitsAskForTheValueSoFar) {
  for (std::int64_t i = 0; i < 50; ++i) {
    const Sequence s = make_task("modular", {.modulus = 7}, 21, 1)->training(i);
    std::int64_t value = s.tokens[0];
    EXPECT_EQ(s.targets[0], value);
    for (std::size_t t = 2; t < 21; t += 2) {
      const std::int64_t digit = s.tokens[t];
      const std::int32_t sign = s.tokens[t - 1];
      EXPECT_EQ(s.targets[t - 1], kNoTarget);
      value = sign == 7 ? value + digit : sign == 8 ? value - digit : value * digit;
      value = (value % 7 + 7) % 7;
      EXPECT_EQ(s.targets[t], value);
    }
  }
}

// The product as permutation matrices, later ones from the left.
TEST(S5, TargetsAreProductsOfMatrices) {
  using Matrix = std::array<std::array<int, 5>, 5>;
  std::vector<Matrix> all;
  std::array<int, 5> p{0, 1, 2, 3, 4};
  do {
    Matrix m{};
    for (std::size_t i = 0; i < 5; ++i) m[static_cast<std::size_t>(p[i])][i] = 1;
    all.push_back(m);
  } while (std::ranges::next_permutation(p).found);
  const Sequence s = make_task("s5", {}, 40, 1)->training(3);
  Matrix product = all[0];
  for (std::size_t t = 0; t < 40; ++t) {
    Matrix next{};
    for (std::size_t i = 0; i < 5; ++i) {
      for (std::size_t j = 0; j < 5; ++j) {
        for (std::size_t k = 0; k < 5; ++k) {
          next[i][j] += all[static_cast<std::size_t>(s.tokens[t])][i][k] * product[k][j];
        }
      }
    }
    product = next;
    EXPECT_EQ(all[static_cast<std::size_t>(s.targets[t])], product) << t;
  }
}

TEST(Tasks, TheLastAnswerAlone) {
  for (const std::string name : {"parity", "modular", "s5"}) {
    for (const std::int64_t length : {1, 8, 9}) {
      const Sequence every = make_task(name, {}, length, 1)->training(0);
      const Sequence last = make_task(name, {.answers = "last"}, length, 1)->training(0);
      EXPECT_EQ(every.tokens, last.tokens);
      EXPECT_EQ(count_targets(last), 1);
      const std::size_t at = name == "modular" && length == 8 ? 6 : static_cast<std::size_t>(length) - 1;
      EXPECT_EQ(last.targets[at], every.targets[at]) << name << " " << length;
    }
  }
}

TEST(Tasks, SizesThatDoNotFitAreRefused) {
  const auto refused = [](const TaskConfig& c, const std::string& task, std::int64_t length) {
    return testing::sentence_of([&] { check(c, task, length); });
  };
  EXPECT_EQ(refused({.vocabulary = 20, .pairs = 10}, "mqar", 64),
            "task.vocabulary = 20 is too small for data.task = mqar; use 22 or more");
  EXPECT_EQ(refused({.pairs = 10}, "mqar", 39),
            "data.sequence_length = 39 is too small for data.task = mqar; use 40 or more");
  EXPECT_EQ(refused({.items = 8}, "copy", 15),
            "data.sequence_length = 15 is too small for data.task = copy; use 16 or more");
  EXPECT_EQ(refused({.modulus = 1}, "modular", 15),
            "task.modulus = 1 is too small for data.task = modular; use 2 or more");
  EXPECT_EQ(refused({}, "induction", 2),
            "data.sequence_length = 2 is too small for data.task = induction; use 3 or more");
  for (const std::string& name : kTasks) EXPECT_NO_THROW(check(TaskConfig{}, name, 16));
  EXPECT_NO_THROW(check(TaskConfig{}, "none", 1));
}

}  // namespace
}  // namespace longspan
