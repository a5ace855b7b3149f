#include "config/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include "config/run_config.hpp"
#include "support/expect_error.hpp"
#include "support/scratch_folder.hpp"

namespace longspan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::ScratchFolder;
using testing::sentence_of;

struct Fields {
  std::string text = "abc";
  std::int64_t count = 6;
  double rate = 0.1;
  bool flag = false;
  std::int64_t limit = 0;
  std::string kind = "red";
  double pause = 0;
  bool explain = false;
  Options options{"longspan-test", "Tests options."};

  Fields() {
    options.add("run.text", text, "A text.")
        .add("model.layers", count, "Layers.")
        .add("model.rate", rate, "A rate.")
        .add("model.flag", flag, "A flag.")
        .add_bytes("run.limit", limit, "Bytes.")
        .add_choice("run.kind", kind, {"red", "green"}, "Colour.")
        .add_seconds("run.pause", pause, "A pause.")
        .add_flag("explain", explain, "Says why.");
  }
  Options::Action parse(std::vector<const char*> words) {
    words.insert(words.begin(), "longspan-test");
    return options.parse(static_cast<int>(words.size()), words.data());
  }
  Options::Action parse_file(const std::string& path) { return parse({"--config", path.c_str()}); }
};

TEST(Options, CommandLineSetsEveryType) {
  Fields f;
  EXPECT_EQ(f.parse({"--run.text", "x y", "--model.layers=-7", "--model.rate", "2.5e-3", "--model.flag", "yes",
                     "--run.limit=3M", "--run.kind", "green"}),
            Options::Action::run);
  EXPECT_EQ(f.text, "x y");
  EXPECT_EQ(f.count, -7);
  EXPECT_EQ(f.rate, 2.5e-3);
  EXPECT_TRUE(f.flag);
  EXPECT_EQ(f.limit, 3 << 20);
  EXPECT_EQ(f.kind, "green");
  EXPECT_TRUE(f.options.was_set("run.text"));
}

TEST(Options, DurationsHaveUnits) {
  for (const auto& [text, seconds] : {std::pair("1.5ms", 1.5e-3), {"200us", 2e-4}, {"2s", 2.0}, {"0.25", 0.25}}) {
    Fields f;
    f.parse({"--run.pause", text});
    EXPECT_DOUBLE_EQ(f.pause, seconds) << text;
  }
  for (const char* text : {"-1ms", "1m", "ms", ""}) {
    Fields f;
    EXPECT_THAT(sentence_of([&] { f.parse({"--run.pause", text}); }), HasSubstr("no time in seconds")) << text;
  }
}

TEST(Options, FlagsStandAloneOnTheCommandLine) {
  Fields f;
  f.parse({"--explain", "--model.layers", "3"});
  EXPECT_TRUE(f.explain);
  EXPECT_EQ(f.count, 3);
  EXPECT_THAT(f.options.help(), HasSubstr("--explain"));
  EXPECT_THAT(f.options.resolved(), Not(HasSubstr("explain")));
  f.parse({});
  EXPECT_FALSE(f.explain);
}

TEST(Options, NegativeNumbersMayFollowAsAWord) {
  Fields f;
  f.parse({"--model.layers", "-7", "--model.rate", "-1e-5"});
  EXPECT_EQ(f.count, -7);
  EXPECT_EQ(f.rate, -1e-5);
}

TEST(Options, UnsetKeysKeepTheirDefaults) {
  Fields f;
  f.parse({"--model.layers", "2"});
  EXPECT_EQ(f.rate, 0.1);
  EXPECT_FALSE(f.options.was_set("model.rate"));
  EXPECT_TRUE(f.options.was_set("model.layers"));
}

TEST(Options, FileHasSectionsAndComments) {
  const ScratchFolder folder;
  const auto path = folder.write("a.cfg",
                                 "# head\n\n[run]  # about the run\ntext = corpus/a b.h5   # where\r\nlimit = 2k\n"
                                 "[model]\nlayers=12\n  rate = 1e-4\nflag = on # yes\n");
  Fields f;
  f.parse_file(path);
  EXPECT_EQ(f.text, "corpus/a b.h5");
  EXPECT_EQ(f.limit, 2048);
  EXPECT_EQ(f.count, 12);
  EXPECT_EQ(f.rate, 1e-4);
  EXPECT_TRUE(f.flag);
}

// As the shell gave it, and from a file as resolved() wrote it.
TEST(Options, ATextKeepsEveryCharacter) {
  for (const char* text : {" two spaces  ", "#include <", "a\nb\t", "\"quoted\"", "\\", "a \"b\" \\c", "\xc3\xa4 #"}) {
    SCOPED_TRACE(text);
    Fields given, read;
    given.parse({"--run.text", text});
    EXPECT_EQ(given.text, text);
    read.options.read_text(given.options.resolved(), "resolved.cfg");
    EXPECT_EQ(read.text, text);
  }
}

TEST(Options, FileKeysMayCarryTheirSection) {
  const ScratchFolder folder;
  Fields f;
  f.parse_file(folder.write("a.cfg", "model.layers = 3\n"));
  EXPECT_EQ(f.count, 3);
}

TEST(Options, EmptyValueInAFileEmptiesAText) {
  const ScratchFolder folder;
  Fields f;
  f.parse_file(folder.write("a.cfg", "[run]\ntext =\n"));
  EXPECT_EQ(f.text, "");
}

TEST(Options, CommandLineWinsOverFileWhereverItStands) {
  const ScratchFolder folder;
  const auto path = folder.write("a.cfg", "[model]\nlayers = 12\nrate = 0.5\n");
  Fields f;
  f.parse({"--model.layers", "3", "--config", path.c_str()});
  EXPECT_EQ(f.count, 3);
  EXPECT_EQ(f.rate, 0.5);
}

TEST(Options, LastOfRepeatedWordsHolds) {
  Fields f;
  f.parse({"--model.layers", "3", "--model.layers", "4"});
  EXPECT_EQ(f.count, 4);
}

TEST(Options, ActionsAreRead) {
  EXPECT_EQ(Fields().parse({}), Options::Action::run);
  EXPECT_EQ(Fields().parse({"--dry-run"}), Options::Action::dry_run);
  EXPECT_EQ(Fields().parse({"--version"}), Options::Action::version);
  EXPECT_EQ(Fields().parse({"--dry-run", "--help", "--config", "nowhere"}), Options::Action::help);
}

TEST(OptionsErrors, UnknownKeyNamesPlaceAndNearestKey) {
  const ScratchFolder folder;
  const auto path = folder.write("a.cfg", "# one\n[model]\nrate = 1\nlayerz = 6\n");
  EXPECT_EQ(sentence_of([&] { Fields().parse_file(path); }),
            "unknown key 'model.layerz' in " + path + " line 4; did you mean 'model.layers'?");
  EXPECT_EQ(sentence_of([] { Fields().parse({"--model.layrs", "6"}); }),
            "unknown key 'model.layrs' on the command line; did you mean 'model.layers'?");
  EXPECT_THAT(sentence_of([] { Fields().parse({"--layers=6"}); }), HasSubstr("did you mean 'model.layers'?"));
  EXPECT_THAT(sentence_of([] { Fields().parse({"--run.layers=6"}); }), HasSubstr("did you mean 'model.layers'?"));
  EXPECT_EQ(sentence_of([] { Fields().parse({"--entirely.different", "6"}); }),
            "unknown key 'entirely.different' on the command line; longspan-test --help lists the keys");
}

TEST(OptionsErrors, WrongTypeNamesKeyValueAndPlace) {
  const ScratchFolder folder;
  const auto path = folder.write("a.cfg", "[model]\nlayers = six\n");
  EXPECT_EQ(sentence_of([&] { Fields().parse_file(path); }),
            "model.layers = 'six' in " + path + " line 2 is no whole number");
  const auto on_command_line = [](const char* key, const char* value) {
    return sentence_of([&] { Fields().parse({key, value}); });
  };
  EXPECT_EQ(on_command_line("--model.layers", "6.5"), "model.layers = '6.5' on the command line is no whole number");
  EXPECT_THAT(on_command_line("--model.layers", "99999999999999999999"), HasSubstr("is no whole number"));
  EXPECT_THAT(on_command_line("--model.layers", ""), HasSubstr("model.layers = ''"));
  EXPECT_THAT(on_command_line("--model.rate", "nan"), HasSubstr("is no finite number"));
  EXPECT_THAT(on_command_line("--model.rate", "1e999"), HasSubstr("is no finite number"));
  EXPECT_THAT(on_command_line("--model.flag", "maybe"), HasSubstr("is neither true nor false"));
  EXPECT_THAT(on_command_line("--run.limit", "-1"), HasSubstr("is no size in bytes"));
  EXPECT_THAT(on_command_line("--run.limit", "9999999999G"), HasSubstr("is no size in bytes"));
  EXPECT_EQ(on_command_line("--run.kind", "blue"), "run.kind = 'blue' on the command line is none of: red, green");
}

TEST(OptionsErrors, FilesThatCannotBeReadAreNamed) {
  const ScratchFolder folder;
  const auto missing = folder.path("none.cfg");
  EXPECT_EQ(sentence_of([&] { Fields().parse_file(missing); }),
            "the configuration file " + missing + " does not exist");
  EXPECT_THAT(sentence_of([&] { Fields().parse_file(folder.path()); }), HasSubstr("is a folder"));
}

TEST(OptionsErrors, BrokenQuotesAreNamed) {
  for (const char* value : {"\"", "\"a", "\"a\" b", "\"a\"b\"", "\"\\q\"", "\"\\x4\"", "\"\\xzz\"", "\"\\\""}) {
    SCOPED_TRACE(value);
    EXPECT_THAT(sentence_of([&] { Fields().options.read_text(std::string("[run]\ntext = ") + value + "\n", "a.cfg"); }),
                HasSubstr("in a.cfg line 2 has quotes that do not close or an unknown escape"));
  }
}

TEST(OptionsErrors, MalformedLinesAreNamed) {
  const ScratchFolder folder;
  const auto complaint = [&](const std::string& text) {
    return sentence_of([&] { Fields().parse_file(folder.write("a.cfg", text)); });
  };
  EXPECT_THAT(complaint("[model]\nlayers\n"), HasSubstr("'layers' in " + folder.path("a.cfg") + " line 2 is neither"));
  EXPECT_THAT(complaint("\n[model\nlayers = 3\n"), HasSubstr("line 2 is neither"));
  EXPECT_THAT(complaint("[model]\nlayers = 3\n\n[model]\nlayers = 3\n"),
              HasSubstr("model.layers is set twice in " + folder.path("a.cfg") + ", in lines 2 and 5"));
}

TEST(OptionsErrors, WordsOfTheCommandLineAreNamed) {
  EXPECT_THAT(sentence_of([] { Fields().parse({"stray"}); }), HasSubstr("'stray' on the command line is no option"));
  EXPECT_THAT(sentence_of([] { Fields().parse({"-x"}); }), HasSubstr("'-x' on the command line is no option"));
  EXPECT_THAT(sentence_of([] { Fields().parse({"--model.layers"}); }), HasSubstr("model.layers"));
  EXPECT_THAT(sentence_of([] { Fields().parse({"--config"}); }), HasSubstr("config"));
  EXPECT_THAT(sentence_of([] { Fields().parse({"--config", "a", "--config", "b"}); }), HasSubstr("twice"));
}

TEST(OptionsText, ResolvedReadsBackToTheSameBits) {
  const ScratchFolder folder;
  for (const double rate : {0.1, 1.0 / 3, 1e-300, 5e-324, 1e22, -0.0, 123456789.123456789,
                            std::numeric_limits<double>::max(), std::nextafter(1.0, 2.0)}) {
    Fields a;
    a.rate = rate;
    a.text = "corpora/some file.h5";
    a.limit = (std::int64_t{5} << 30) + (3 << 20);
    a.flag = true;
    a.count = std::numeric_limits<std::int64_t>::min();
    a.kind = "green";
    Fields b;
    b.parse_file(folder.write("a.cfg", a.options.resolved()));
    EXPECT_EQ(std::bit_cast<std::uint64_t>(b.rate), std::bit_cast<std::uint64_t>(rate));
    EXPECT_EQ(b.text, a.text);
    EXPECT_EQ(b.limit, a.limit);
    EXPECT_EQ(b.flag, a.flag);
    EXPECT_EQ(b.count, a.count);
    EXPECT_EQ(b.kind, a.kind);
    EXPECT_EQ(b.options.resolved(), a.options.resolved());
  }
}

TEST(OptionsText, ResolvedGroupsTheKeysOfTheTrainer) {
  TrainConfig config;
  Options options("longspan-train", "Trains.");
  bind(options, config);
  EXPECT_THAT(options.resolved(), ::testing::StartsWith("[run]\ndirectory = runs\nname = default\nsteps = 1000\n"));
  EXPECT_THAT(options.resolved(), HasSubstr("\n\n[optimizer]\nlearning_rate = 0.001\n"));
  EXPECT_THAT(options.resolved(), HasSubstr("\ncorpus = \n"));
}

TEST(OptionsText, HelpShowsEveryKeyInItsSectionWithinTheColumns) {
  TrainConfig config;
  Options options("longspan-train", "Trains a language model.");
  bind(options, config);
  const std::string help = options.help();
  EXPECT_THAT(help, ::testing::StartsWith("longspan-train: Trains a language model.\n"));
  EXPECT_THAT(help, HasSubstr("\n[model]\n  model.preset = none"));
  EXPECT_THAT(help, HasSubstr("model.layers = 6"));
  for (const char* word : {"--config FILE", "--dry-run", "--help", "--version"}) EXPECT_THAT(help, HasSubstr(word));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 100u) << line;
    EXPECT_FALSE(line.ends_with(' ')) << line;
  }
}

TEST(OptionsText, HelpShowsDefaultsNotValues) {
  Fields f;
  f.parse({"--model.layers", "9"});
  EXPECT_THAT(f.options.help(), HasSubstr("model.layers = 6"));
  EXPECT_THAT(f.options.help(), Not(HasSubstr("model.layers = 9")));
}

}  // namespace
}  // namespace longspan
