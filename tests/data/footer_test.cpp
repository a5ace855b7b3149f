#include "data/footer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using testing::ScratchFolder;

TEST(Footer, EveryBitButThoseOfValuesIsGuarded) {
  const ScratchFolder folder;
  const std::vector<Range> values = {{40, 50}, {10, 20}, {20, 23}, {7, 7}};
  append_footer(folder.write("a", "0123456789abcdefghij0123456789abcdefghij0123456789end"), values);
  const std::string path = folder.path("a"), whole = folder.read("a");
  check_footer(path, "file");
  for (std::size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    const auto at = static_cast<std::int64_t>(bit / 8);
    std::string bad = whole;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    folder.write("b", bad);
    if ((at >= 40 && at < 50) || (at >= 10 && at < 23)) {
      check_footer(folder.path("b"), "file");
    } else {
      EXPECT_THAT(testing::sentence_of([&] { check_footer(folder.path("b"), "file"); }),
                  AnyOf(HasSubstr("is damaged"), HasSubstr("is no whole file")))
          << at;
    }
  }
  for (std::size_t length = 0; length < whole.size(); ++length) {
    folder.write("b", whole.substr(0, length));
    EXPECT_THAT(testing::sentence_of([&] { check_footer(folder.path("b"), "file"); }),
                AnyOf(HasSubstr("is damaged"), HasSubstr("is no whole file")))
        << length;
  }
}

TEST(Footer, OtherFilesHaveNone) {
  const ScratchFolder folder;
  EXPECT_FALSE(has_footer(folder.path("none")));
  EXPECT_FALSE(has_footer(folder.path()));
  EXPECT_FALSE(has_footer(folder.write("short", "LONGSPAN")));
  EXPECT_TRUE(has_footer(folder.write("forged", std::string(24, '\xff') + "LONGSPAN")));
  EXPECT_THAT(testing::sentence_of([&] { check_footer(folder.path("forged"), "file"); }),
              HasSubstr("its footer is wrong"));
}

}  // namespace
}  // namespace longspan
