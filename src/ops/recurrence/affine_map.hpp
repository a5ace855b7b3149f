// What a run of tokens does to the state that enters it, S' = D S + E, for every head: packed [R, M + K V] with
// M = G entries of a diagonal D (one, or one a channel) or M = K K of a dense one, then E. Maps compose:
//   (D1, E1) then (D2, E2)  =  (D2 D1, D2 E1 + E2)
#pragma once

#include "tensor/tensor.hpp"

namespace longspan::ops {

struct AffineMapSizes {
  std::int64_t key = 0, value = 0;  // K, V
  std::int64_t decay = 1;           // entries of a diagonal D: 1 or K
  bool dense = false;               // D is K x K
  std::int64_t map_width() const { return dense ? key * key : decay; }
  std::int64_t width() const { return map_width() + key * value; }
};

// D [R, G] or [R, K, K] (transposed on the way in where `transposed`) and E [R, K, V].
Tensor pack_map(const AffineMapSizes& size, const Tensor& decay, const Tensor& inflow, bool transposed = false);
// D of a packed map, [R, G] or [R, K, K].
Tensor unpack_decay(const AffineMapSizes& size, const Tensor& map);
// state [R, K, V] <- map(state).
void apply_map(const AffineMapSizes& size, const Tensor& map, const Tensor& state);
// later <- earlier, then later.
void compose_maps(const AffineMapSizes& size, const Tensor& earlier, const Tensor& later);

}  // namespace longspan::ops
