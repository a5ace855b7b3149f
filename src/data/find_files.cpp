#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "base/error.hpp"
#include "config/value_text.hpp"
#include "data/corpus_files.hpp"

namespace longspan {
namespace {

namespace fs = std::filesystem;
using Paths = std::set<std::string>;

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> entries;
  std::istringstream text(list);
  for (std::string entry; std::getline(text, entry, ',');) {
    if (const auto word = trimmed(entry); !word.empty()) entries.emplace_back(word);
  }
  return entries;
}

void add_folder(const fs::path& folder, const std::vector<std::string>& extensions, Paths& paths) {
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename().string().starts_with('.')) {
      entry.disable_recursion_pending();
      continue;
    }
    const bool wanted =
        extensions.empty() || std::ranges::find(extensions, entry->path().extension().string()) != extensions.end();
    std::error_code ignored;  // of links to nowhere
    if (wanted && entry->is_regular_file(ignored)) paths.insert(entry->path().string());
  }
  if (error) throw UserError("the folder {} cannot be read: {}", folder.string(), error.message());
}

void add_path(const std::string& path, const std::vector<std::string>& extensions, Paths& paths) {
  if (fs::is_directory(path)) {
    add_folder(path, extensions, paths);
  } else {
    paths.insert(path);
  }
}

void add_pattern(const std::string& pattern, const std::vector<std::string>& extensions, Paths& paths) {
  glob_t matches{};
  if (glob(pattern.c_str(), GLOB_NOSORT, nullptr, &matches) == 0) {
    for (std::size_t i = 0; i < matches.gl_pathc; ++i) add_path(matches.gl_pathv[i], extensions, paths);
  }
  globfree(&matches);
}

}  // namespace

std::vector<CorpusFile> find_files(const std::string& input, const std::string& extensions) {
  const std::vector<std::string> wanted = split_list(extensions);
  for (const auto& extension : wanted) {
    if (!extension.starts_with('.')) throw UserError("the file extension '{}' does not begin with a dot", extension);
  }
  Paths paths;
  for (const auto& entry : split_list(input)) {
    Paths found;
    if (fs::exists(entry)) {
      add_path(entry, wanted, found);
    } else {
      add_pattern(entry, wanted, found);
    }
    if (found.empty()) {
      throw UserError("no file matches '{}'{}; name files, patterns, or folders, which are read with all below them",
                      entry, wanted.empty() ? "" : " with the extensions " + extensions);
    }
    paths.merge(found);
  }
  std::vector<CorpusFile> files;
  for (const auto& path : paths) files.push_back({path, static_cast<std::int64_t>(fs::file_size(path))});
  return files;
}

}  // namespace longspan
