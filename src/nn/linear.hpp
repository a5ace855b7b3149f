// Linear layers over the tensor axis. Weights are logical [out, in].
//   column  each rank holds rows of the weight: a part of the outputs, from a whole input
//   row     each rank holds columns of the weight: partial sums of all outputs, from a part of the inputs
#pragma once

#include <string>

#include "comm/mesh.hpp"
#include "nn/context.hpp"
#include "nn/parameter.hpp"

namespace longspan {

struct LinearInit {
  double deviation = 0.02;
  bool bias = false;
  int group = 0;
};

class ColumnLinear {
 public:
  // `granule`: outputs that stay together on one rank (the width of a head).
  ColumnLinear(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t out, std::int64_t granule,
               const LinearInit& init);
  Variable forward(const Context& context, const Variable& x) const;

 private:
  Parameter* weight_;
  Parameter* bias_ = nullptr;
};

class RowLinear {
 public:
  RowLinear(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t out, std::int64_t granule,
            const LinearInit& init);
  Variable forward(const Context& context, const Variable& x) const;

 private:
  Parameter* weight_;
  Parameter* bias_ = nullptr;
};

// Whole on every rank of the axis: what all heads or columns share. No bias.
class ReplicatedLinear {
 public:
  ReplicatedLinear(ParameterStore& store, const std::string& name, std::int64_t in, std::int64_t out,
                   const LinearInit& init);
  Variable forward(const Context& context, const Variable& x) const;

 private:
  Parameter* weight_;
};

}  // namespace longspan
