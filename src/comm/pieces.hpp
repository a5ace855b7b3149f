// MPI counts are int: a message is cut into pieces of at most message_limit() bytes.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tensor/dtype.hpp"

namespace longspan {

std::int64_t message_limit();
// All ranks must set the same limit; tests make it tiny so that every call is cut.
void set_message_limit(std::int64_t bytes);

// True where `count` elements go in one piece.
inline bool one_piece(std::int64_t count, Dtype dtype) {
  return count <= message_limit() / static_cast<std::int64_t>(size_of(dtype));
}

// body(first element, number of elements as int) for each piece of `count` elements.
template <class Body>
void for_each_piece(std::int64_t count, Dtype dtype, const Body& body) {
  const std::int64_t piece = std::max<std::int64_t>(1, message_limit() / static_cast<std::int64_t>(size_of(dtype)));
  for (std::int64_t first = 0; first < count; first += piece) {
    body(first, static_cast<int>(std::min(piece, count - first)));
  }
}

}  // namespace longspan
