// A token mixer: the part of a block that moves information between positions. It is chosen by name, per layer, and
// knows its four faces: forward and backward (by the tape), the sequence axis, the tensor axis, and its cost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/model_config.hpp"
#include "nn/context.hpp"
#include "nn/parameter.hpp"

namespace longspan {

// What a mixer needs to declare its parameters and to cross the sequence axis.
struct MixerSettings {
  std::string name;  // "blocks.3.attention": prefix of its parameters
  int layer = 0;     // global number
  int group = 0;     // of its parameters
  ModelConfig model;
  std::int64_t max_length = 0;              // T of the run: parameters with an entry a position
  ShardKind shard = ShardKind::contiguous;  // how the sequence axis splits these
  bool mask_documents = false;              // nothing may pass from one document to another
  std::string sequence_method = "ring";     // of attention
  int sequence_inner = 1;                   // neighbours of its two-level methods
};

struct MixerCost {
  double forward_flops = 0;        // of the whole layer over all ranks, for one sequence of T tokens
  double activation_elements = 0;  // kept for backward by one rank, a token of its shard
  double remade_flops = 0;         // that parallel.recompute = linear does twice, as forward_flops
};

// What generation remembers of the tokens so far; each mixer has its own kind.
class MixerCache {
 public:
  virtual ~MixerCache() = default;
};

class Mixer {
 public:
  virtual ~Mixer() = default;

  // x [B, T_local, D], the same on every rank of the tensor axis, to [B, T_local, D], whose sum over that axis is the
  // layer's output; gradients of x are parts likewise.
  virtual Variable forward(const Context& context, const Variable& x) const = 0;

  // Generation on one rank: x [B, n, D] holds the n positions that follow those in the cache.
  virtual std::unique_ptr<MixerCache> make_cache(std::int64_t batch, std::int64_t max_length, Dtype dtype) const = 0;
  virtual Variable extend(const Context& context, const Variable& x, MixerCache& cache) const = 0;

  virtual MixerCost cost(std::int64_t sequence_length) const = 0;
};

using MixerFactory = std::function<std::unique_ptr<Mixer>(ParameterStore&, const MixerSettings&)>;

// By name; an unknown one is a UserError that lists the known ones.
std::unique_ptr<Mixer> make_mixer(const std::string& kind, ParameterStore& store, const MixerSettings& settings);
std::vector<std::string> mixer_names();
// Whether a mixer runs over positions one after the other: where all do, ranks of the sequence axis hold contiguous
// runs.
bool is_recurrent(const std::string& kind);

}  // namespace longspan
