// A configuration file may hold anything: it is read, or there is one sentence.
#include <gtest/gtest.h>

#include <iostream>

#include "base/error.hpp"
#include "config/run_config.hpp"
#include "support/mutations.hpp"

namespace longspan {
namespace {

TEST(DamagedConfiguration, IsReadOrRefusedInOneSentence) {
  const std::string whole = config_text({});
  testing::Mutations mutations(2);
  int read = 0;
  const int count = testing::mutation_count(1500);
  for (int i = 0; i < count; ++i) {
    TrainConfig config;
    Options options("longspan-train", "");
    bind(options, config);
    try {
      options.read_text(mutations.of(whole), "a.cfg");
      check(config);
      ++read;
    } catch (const UserError& error) {
      EXPECT_NE(error.what(), std::string());
      EXPECT_LT(std::string(error.what()).size(), 1000u) << error.what();
    }
  }
  std::cout << read << " of " << count << " were read\n";
  EXPECT_GT(read, 0);
  EXPECT_LT(read, count);
}

}  // namespace
}  // namespace longspan
