// Which layers a pipeline stage holds. Stage 0 also holds the embedding, the last one the head.
#pragma once

#include "layout/split.hpp"

namespace longspan {

inline Range stage_layers(int layers, int stages, int stage) { return split(layers, stages, stage); }

}  // namespace longspan
