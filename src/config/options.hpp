// Options by section, read from an INI file (`--config FILE`) and then from the command line (`--section.key VALUE`),
// both through one Boost.Program_options description. Each config struct binds its fields with a default (the field's
// value at bind time) and a sentence. An unknown key, a wrong type or a value out of range is a UserError that names
// the key, the place and, for an unknown key, the nearest known one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace longspan {

class Options {
 public:
  // `program` and `summary` head the help text.
  Options(std::string program, std::string summary);

  // key "section.name"; the sentence says what it does and its unit. Booleans accept true/false, yes/no, on/off, 1/0.
  // Sizes accept 1500, 512K, 8M, 2G (powers of 1024) where `bytes` is used.
  Options& add(const std::string& key, std::string& field, const std::string& sentence);
  Options& add(const std::string& key, std::int64_t& field, const std::string& sentence);
  Options& add(const std::string& key, double& field, const std::string& sentence);
  Options& add(const std::string& key, bool& field, const std::string& sentence);
  // Durations accept 0.5, 2s, 1.5ms, 200us.
  Options& add_seconds(const std::string& key, double& field, const std::string& sentence);
  Options& add_bytes(const std::string& key, std::int64_t& field, const std::string& sentence);
  // A text that must be one of `choices`.
  Options& add_choice(const std::string& key, std::string& field, const std::vector<std::string>& choices,
                      const std::string& sentence);

  // A word of the command line alone, --NAME, that sets `field`.
  Options& add_flag(const std::string& name, bool& field, const std::string& sentence);

  enum class Action { run, help, dry_run, version };
  // Reads argv: --help, --version, --dry-run, --config FILE, --section.key VALUE and --section.key=VALUE. A word that
  // is no option is a UserError. In a file a key may stand once; of several on the command line the last one holds.
  Action parse(int argc, const char* const* argv);

  // Reads the text of a configuration file that stands in another file, `name`.
  void read_text(const std::string& text, const std::string& name);

  std::string version() const;   // "longspan-train 0.1.0 (1a2b3c4)"
  std::string help() const;      // grouped by section, with units and defaults
  std::string resolved() const;  // an INI file with every key and its present value; reading it back gives the same
  // Which keys were set by the file or the command line.
  bool was_set(const std::string& key) const;

 private:
  struct Option {
    std::string key, sentence, default_text;
    std::function<void(const std::string& value, const std::string& where)> read;
    std::function<std::string()> write;
    bool set = false, text = false;  // text: taken from the command line as it is
  };
  template <class T, class Parse, class Write>
  Options& add_option(const std::string& key, T& field, const std::string& sentence, Parse parse, Write write,
                      const std::string& complaint);
  const Option* find(const std::string& key) const;
  void set(const std::string& key, const std::string& value, const std::string& where);
  void read_lines_of(const std::string& path, const std::vector<std::string>& lines);

  std::string program_, summary_;
  std::vector<Option> options_;
  struct Flag {
    std::string name, sentence;
    bool* field;
  };
  std::vector<Flag> flags_;
};

}  // namespace longspan
