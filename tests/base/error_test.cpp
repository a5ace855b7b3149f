#include "base/error.hpp"

#include <gmock/gmock.h>

namespace longspan {
namespace {

TEST(Error, TypeDecidesTheExitCode) {
  EXPECT_EQ(UserError("{} = {}", "data.batch", 3).code(), ExitCode::user);
  EXPECT_EQ(EnvironmentError("no space").code(), ExitCode::environment);
  EXPECT_EQ(DivergedError("step {}", 7).code(), ExitCode::diverged);
  EXPECT_STREQ(UserError("{} = {}", "data.batch", 3).what(), "data.batch = 3");
}

TEST(Error, FailedCheckNamesTheFile) {
  try {
    LONGSPAN_CHECK(1 == 2, "[test] got {}", 5);
    FAIL();
  } catch (const std::logic_error& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("[test] got 5 ("));
    EXPECT_THAT(e.what(), ::testing::HasSubstr("error_test.cpp:"));
  }
}

}  // namespace
}  // namespace longspan
