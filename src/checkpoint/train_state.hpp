// What a checkpoint holds besides tensors: enough to go on with the run, or to generate text, from this file alone.
#pragma once

#include <cstdint>
#include <string>

#include "base/provenance.hpp"

namespace longspan {

struct TrainState {
  std::int64_t step = 0;           // optimizer steps done
  std::int64_t tokens = 0;         // trained on so far
  std::int64_t next_sequence = 0;  // data cursor: number of the first sequence of the next step
  std::uint64_t seed = 0;  // of weights, data order and dropout; with `step` it is the state of all random numbers
  std::int64_t vocabulary = 0;
  std::string tokenizer;        // "byte", "sentencepiece"
  std::string tokenizer_model;  // serialised; empty for byte
  Provenance provenance;        // of the program that saved it
};

}  // namespace longspan
