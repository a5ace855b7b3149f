// The axis that is left open takes the ranks that the others leave.
#include "config/free_axis.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"

namespace longspan {
namespace {

std::string sentence_of(ParallelConfig parallel, std::int64_t ranks) {
  try {
    fill_free_axis(parallel, ranks);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(FreeAxis, TakesTheRanksThatTheOthersLeave) {
  for (std::int64_t ParallelConfig::* axis :
       {&ParallelConfig::data, &ParallelConfig::tensor, &ParallelConfig::pipeline, &ParallelConfig::sequence}) {
    ParallelConfig parallel{.data = 2, .tensor = 3, .pipeline = 1, .sequence = 5};
    const std::int64_t others = 30 / parallel.*axis;
    parallel.*axis = 0;
    fill_free_axis(parallel, 7 * others);
    EXPECT_EQ(parallel.*axis, 7);
    EXPECT_EQ(parallel.data * parallel.tensor * parallel.pipeline * parallel.sequence, 7 * others);
  }
}

TEST(FreeAxis, LeavesAWholeMeshAlone) {
  ParallelConfig parallel{.data = 2, .sequence = 2};
  fill_free_axis(parallel, 16);
  EXPECT_EQ(parallel.data, 2);
  EXPECT_EQ(parallel.sequence, 2);
}

TEST(FreeAxis, SaysWhatDoesNotFit) {
  EXPECT_THAT(sentence_of({.data = 0, .tensor = 4}, 6), ::testing::HasSubstr("6 were started"));
  EXPECT_THAT(sentence_of({.data = 0, .tensor = 4}, 6), ::testing::HasSubstr("multiple of 4"));
  EXPECT_THAT(sentence_of({.data = 0, .sequence = 0}, 6),
              ::testing::HasSubstr("parallel.data and parallel.sequence are both 0"));
}

}  // namespace
}  // namespace longspan
