// One attention layer on random inputs, spread over a group of ranks by one method: timed as a whole, and its two
// halves apart. With phantoms in place of the other ranks (comm/comm.hpp) the products run and nothing travels; with a
// mask that shows nothing the messages travel and no product runs (copies of what travels stay in both).
#pragma once

#include <cstdint>
#include <string>

#include "comm/comm.hpp"
#include "mixers/sequence/choose.hpp"

namespace longspan {

struct PassSeconds {
  double forward = 0, backward = 0;
  double sum() const { return forward + backward; }
};

class AttentionTrial {
 public:
  // `group` has layer.ranks ranks. Collective over it.
  AttentionTrial(const std::string& method, const SpreadLayer& layer, const Comm& group);

  enum class Part { whole, products, messages };
  // Of this rank; the passes begin together on all ranks. Collective.
  PassSeconds time(Part part) const;

  // What this rank sent in the last whole run, and what it sends in closed form (bytes and messages).
  const Traffic& counted() const { return counted_; }
  Traffic closed_form() const;
  // The most that this rank held in the last whole run, inputs and all.
  std::int64_t peak_bytes() const { return peak_bytes_; }
  // This rank's share of the products, in closed form.
  double work() const;

 private:
  struct Axis {
    Comm all, inner, outer, self;
    SequenceAxes axes() const { return {all, inner, outer, self}; }
  };
  static Axis split(const Comm& group, int inner);
  static Axis phantoms(const SpreadLayer& layer, int rank);

  SpreadLayer layer_;
  std::unique_ptr<SequenceMethod> method_;
  const Comm& group_;
  Axis axis_, alone_;
  SequenceShard shard_;
  Tensor q_, kv_, dout_;
  mutable Traffic counted_;
  mutable std::int64_t peak_bytes_ = 0;
};

}  // namespace longspan
