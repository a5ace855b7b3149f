// Synthetic tasks that measure recall and state tracking. Their sequences need no corpus: each is drawn by counters
// from (seed, number), training and validation from different keys. Only answers have targets.
//   mqar       multi-query associative recall (Arora et al. 2023, "Zoology"): pairs key value, distinct, then each key
//              once more, at gaps that are mostly short (p_j ~ j^-0.99), where its value is asked for. Keys are 1 to
//              V/2 - 1, values V/2 to V - 1, all else 0.
//   induction  induction heads (Gu & Dao 2023): token 0 stands once among tokens 1 to V - 1 and again at the end, where
//              the token that followed it is asked for
//   copy       selective copying (Arjovsky et al. 2016; Gu & Dao 2023): `items` tokens of 1 to V - 2 at random places
//              among zeros, then as many markers V - 1, where they are asked for in order
//   noise      tokens 0 to V - 1 at random; asked for is each next one, of which nothing can be learnt: work for
//              benchmarks
//   parity     bits; asked for is the parity so far
//   modular    digits below m with + - * (m, m + 1, m + 2) between them; asked for at a digit is the value so far,
//              from left to right, modulo m
//   s5         permutations of five things, numbered in lexical order; asked for is their product so far, later ones
//              applied after earlier ones: a word problem that no diagonal state solves
#pragma once

#include <memory>
#include <string>

#include "config/task_config.hpp"
#include "data/sequence_source.hpp"

namespace longspan {

// `task` by its name above; the sizes have been checked.
std::unique_ptr<SequenceSource> make_task(const std::string& task, const TaskConfig& config, std::int64_t length,
                                          std::uint64_t seed);

}  // namespace longspan
