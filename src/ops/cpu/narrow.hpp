// Rows of floats rounded to the nearest bfloat16, by whole vectors where the processor can.
#pragma once

#include "tensor/bfloat16.hpp"
#if defined(__AVX512BF16__) && !defined(__CUDACC__) && !defined(__HIPCC__)
#define LONGSPAN_NARROWS_VECTORS
#include <immintrin.h>
#endif

namespace longspan::ops::detail {

inline void narrow(const float* from, int n, bfloat16* to) {
  int i = 0;
#ifdef LONGSPAN_NARROWS_VECTORS
  for (; i + 16 <= n; i += 16) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i))));
  }
#endif
  for (; i < n; ++i) to[i] = bfloat16(from[i]);
}

}  // namespace longspan::ops::detail
