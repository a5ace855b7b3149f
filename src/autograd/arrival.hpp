// A tensor of which some rows are here and the others still under way: products can begin with those that are here.
#pragma once

#include <cstdint>
#include <utility>

#include "comm/comm.hpp"
#include "layout/split.hpp"

namespace longspan {

struct Arrival {
  Range here;  // rows
  Request request;
};

// Calls f(rows) for ranges that together are the rows [0, n): for those that are here in a few parts, between which
// messages may move on, then, once they are, for the others. `arrival` null: all are here.
template <class F>
void as_they_arrive(Arrival* arrival, std::int64_t n, const F& f) {
  constexpr int kParts = 4;
  if (arrival == nullptr) return f(Range{0, n});
  const Range here = arrival->here;
  for (int i = 0; i < kParts; ++i) {
    const Range part = split(here.size(), kParts, i);
    if (part.size() > 0) f(Range{here.begin + part.begin, here.begin + part.end});
    arrival->request.test();
  }
  arrival->request.wait();
  if (here.begin > 0) f(Range{0, here.begin});
  if (here.end < n) f(Range{here.end, n});
}

}  // namespace longspan
