// Checksums of a checkpoint. That of a tensor is a sum over its elements, so that every rank adds up what it holds and
// the total depends on no mesh:
//   sum over i of mix(word_i XOR i c) mod 2^64
// word_i: the bits of element i in row-major order, with zeros above; c = 0x9e3779b97f4a7c15; mix: mix64 of
// base/hash.hpp. For every i it is a bijection of the word: one changed element always changes the sum.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "layout/split.hpp"

namespace longspan {

// The terms of elements first, first + 1, ..., which have 1, 2, 4 or 8 bytes each.
std::uint64_t sum_of_elements(const void* elements, std::size_t element_bytes, std::int64_t first, std::int64_t count);
// The same of the rows [rows) of dimension 0 of a dataset (a scalar is one row); reads some MiB at once.
std::uint64_t sum_of_rows(hid_t dataset, const Range& rows, const std::string& path);
std::int64_t rows_of(hid_t dataset);

// 16 hexadecimal digits.
std::string checksum_text(std::uint64_t sum);

}  // namespace longspan
