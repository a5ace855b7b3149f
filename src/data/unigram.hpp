// What a model that knows only how frequent each token is would lose: the first thing that training must beat.
#pragma once

#include <cstdint>
#include <vector>

#include "data/token_store.hpp"

namespace longspan {

// H = -sum p log p with p = counts / sum of counts, nats per token; 0 where nothing was counted.
double entropy(const std::vector<std::int64_t>& counts);

// The entropy of tokens [first, first + count); reads them in blocks.
double unigram_entropy(const TokenStore& store, std::int64_t first, std::int64_t count);

}  // namespace longspan
