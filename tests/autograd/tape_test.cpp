#include "autograd/tape.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace longspan {
namespace {

struct Recorded {
  Tape tape;
  std::string order;

  void node(char input, char weight) {
    tape.record("node", [this, input] { order += input; }, [this, weight] { order += weight; });
  }
};

TEST(Tape, BackwardRunsEachInputPartThenItsWeightPartFromLastToFirst) {
  Recorded r;
  r.node('a', 'A');
  r.node('b', 'B');
  r.tape.backward();
  EXPECT_EQ(r.order, "bBaA");
  EXPECT_EQ(r.tape.size(), 0u);
}

TEST(Tape, TwoPassesRunAllInputPartsBeforeAllWeightParts) {
  Recorded r;
  r.node('a', 'A');
  r.node('b', 'B');
  r.tape.backward_inputs();
  EXPECT_EQ(r.order, "ba");
  r.tape.backward_weights();
  EXPECT_EQ(r.order, "baBA");
  EXPECT_EQ(r.tape.size(), 0u);
}

TEST(Tape, ThatDoesNotRecordKeepsNothing) {
  Tape tape(false);
  tape.record("node", [] {});
  EXPECT_EQ(tape.size(), 0u);
}

TEST(Tape, FreesWhatANodeSavedAsSoonAsItHasRun) {
  Tape tape;
  std::weak_ptr<int> watched;
  bool gone = false;
  tape.record("first", [&] { gone = watched.expired(); });
  auto saved = std::make_shared<int>(1);
  watched = saved;
  tape.record("second", [saved] {});
  saved.reset();
  tape.backward();
  EXPECT_TRUE(gone);
}

TEST(Tape, PollsAfterEveryNode) {
  Recorded r;
  r.node('a', 'A');
  r.node('b', 'B');
  r.tape.set_poll([&r] { r.order += '.'; });
  r.tape.backward();
  EXPECT_EQ(r.order, "bB.aA.");
}

}  // namespace
}  // namespace longspan
