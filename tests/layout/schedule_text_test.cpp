#include "layout/schedule_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layout/schedule_case.hpp"

namespace longspan {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& text) {
  try {
    check(parse_schedule(text, "plan.txt"));
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(ScheduleText, IsReadAsItWasWritten) {
  for (const std::string& name : schedule_names()) {
    for (const int microbatches : {1, 5, 8}) {
      const Schedule schedule = make(name, 3, microbatches);
      const Schedule read = parse_schedule(to_text(schedule), name);
      EXPECT_EQ(read.actions, schedule.actions);
      EXPECT_EQ(read.stage_of, schedule.stage_of);
      EXPECT_EQ(read.microbatches, schedule.microbatches);
      EXPECT_EQ(read.alive_limit, schedule.alive_limit);
      EXPECT_EQ(read.stash_limit, schedule.stash_limit);
    }
  }
}

TEST(ScheduleText, GetsItsMessagesWhereItHasNone) {
  const Schedule read =
      parse_schedule("# by hand\n\nstage 0: F0.0 F1.0 B0.0   # warm\nstage 1: F0.1 B0.1 F1.1 B1.1\n", "plan.txt");
  EXPECT_EQ(read.stages, 2);
  EXPECT_EQ(read.microbatches, 2);
  EXPECT_THAT(to_text(read), HasSubstr("stage 1: RF0.1 F0.1"));
  EXPECT_THAT(longspan::refusal(read), HasSubstr("stage 0 never runs"));
  EXPECT_EQ(refusal("stage 0: F0.0 F1.0 B0.0 B1.0\nstage 1: F0.1 B0.1 F1.1 B1.1\n"), "");
  EXPECT_EQ(refusal(to_text(make("1f1b", 2, 2))), "");
}

TEST(ScheduleText, RefusesWhatIsNoSchedule) {
  EXPECT_THAT(refusal("stage 0: F0.0 X0.0"), HasSubstr("plan.txt, line 1: 'X0.0' is no action"));
  for (const char* word : {"F0", "F.0", "F0.", "F-1.0", "F0.0.0", "F99999999999.0", "0.0", "F0.0x"}) {
    EXPECT_THAT(refusal(std::string("\nstage 0: ") + word), HasSubstr("plan.txt, line 2: '" + std::string(word) + "'"));
  }
  EXPECT_THAT(refusal("stage 1: F0.0"), HasSubstr("line 1: expected 'stage 0:'"));
  EXPECT_THAT(refusal("stage 0: F0.0 B0.0\nalive x"), HasSubstr("line 2: 'x' is not a number"));
  EXPECT_THAT(refusal("stage 0: F0.0 B0.0\nalive 1 1"), HasSubstr("2 bounds for 1 stages"));
  EXPECT_THAT(refusal("stage 0: F0.0 B0.0\nstage 1: F0.0 B0.0"), HasSubstr("stage 0 holds this chunk"));
  EXPECT_THAT(refusal("stage 0: F0.0 B0.0 B1.0"),
              HasSubstr("stage 0 runs backward 1 of chunk 0, which has no forward"));
  EXPECT_THAT(refusal("stage 0: F0.900000000"), HasSubstr("a chunk too many"));
  EXPECT_THAT(refusal("stage 0: F0.0 F0.2 B0.2 B0.0"), HasSubstr("waits for ever in forward 0 of chunk 2"));
  EXPECT_THAT(refusal("stage 0: B0.0 F0.0"), HasSubstr("stage 0 waits for ever in backward 0 of chunk 0"));
  EXPECT_THAT(refusal("alive 1\nstage 0: F0.0 F1.0 B0.0 B1.0"), HasSubstr("2 microbatches alive"));
  EXPECT_NE(refusal(""), "");
}

TEST(ScheduleText, NamesTheFile) { EXPECT_THROW(read_schedule("/no/such/file", 1, 1), UserError); }

}  // namespace
}  // namespace longspan
