// HDF5 files that are whole for HDF5 and its guard but hold what they should not. The input of a fuzzer is a recipe, a
// line an edit, done to a file that is right; lines that say nothing known are skipped:
//   attribute OBJECT NAME none                 removes it
//   attribute OBJECT NAME integer N            replaces it, likewise: real X, text WORDS, bytes WORDS, texts WORDS (an
//                                             array of them)
//   dataset PATH none
//   dataset PATH TYPE N: A B C ...             a vector of N entries, zeros behind those given; TYPE u2 u4 i8 f4 f8
//   flip AT BIT                                of the finished file, behind the guard's back
//   cut LENGTH
#pragma once

#include <string>

namespace longspan::fuzz {

// The file at `path` edited; flips and cuts last.
void forge(const std::string& path, const std::string& recipe);

}  // namespace longspan::fuzz
