// A text file as a whole.
#pragma once

#include <string>

namespace longspan {

// The old content stays until the new one is complete. EnvironmentError naming the file, the reason and `mend`.
void write_file(const std::string& path, const std::string& content, const std::string& mend);

}  // namespace longspan
