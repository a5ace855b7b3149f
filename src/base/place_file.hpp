// Files that appear under their name only when they are whole and on the disk.
#pragma once

#include <string>

namespace longspan {

// The folder that a file stands in; "." where the path names none.
std::string folder_of(const std::string& path);

// Brings the content of `temporary` to the disk, renames it to `path` and brings the folder's entry to the disk.
// EnvironmentError where one of these fails.
void place_file(const std::string& temporary, const std::string& path);

// EnvironmentError for a failed write into `path`, from errno: that there is no space, or what else.
[[noreturn]] void fail_writing(const std::string& path, int error_number);

}  // namespace longspan
