// Tape functions of the gates and feature maps of recurrent mixers (ops/gates.hpp, ops/features.hpp).
#pragma once

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "ops/short_convolution.hpp"

namespace longspan {

// The same elements in another shape.
Variable reshape(Tape& tape, const Variable& x, const Shape& shape);

// x in its accumulation dtype.
Variable widen(Tape& tape, const Variable& x);

// Gates, in the accumulation dtype of z.
Variable log_sigmoid(Tape& tape, const Variable& z, double temperature);
Variable sigmoid(Tape& tape, const Variable& z, double factor);
Variable softplus(Tape& tape, const Variable& z, const Variable& bias);
Variable step_decay(Tape& tape, const Variable& step, const Variable& log_rate);

Variable scale_heads(Tape& tape, const Variable& x, const Variable& factors);
Variable add_skip(Tape& tape, const Variable& o, const Variable& x, const Variable& weight);

Variable elu_feature(Tape& tape, const Variable& x);
Variable l2_norm(Tape& tape, const Variable& x, std::int64_t heads);
Variable append_one(Tape& tape, const Variable& x, std::int64_t heads);
Variable divide_by_last(Tape& tape, const Variable& x, std::int64_t heads);

// bias may be undefined; weight may be a constant instead of a parameter.
Variable short_convolution(Tape& tape, const ops::ConvolutionRows& rows, const Variable& edge, const Variable& x,
                           const Variable& weight, const Variable& bias);

}  // namespace longspan
