// A configuration file: the input is its text.
#include "base/error.hpp"
#include "config/run_config.hpp"
#include "target.hpp"

namespace longspan::fuzz {

void fuzz_one(const std::string& input) {
  TrainConfig config;
  Options options("longspan-train", "");
  bind(options, config);
  try {
    options.read_text(input, "fuzz.cfg");
    check(config);
  } catch (const UserError&) {
  }
}

}  // namespace longspan::fuzz
