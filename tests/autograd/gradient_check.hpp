// Gradients of a tape function in float64 against central differences. The loss is sum(w y) with fixed random weights
// w, so that every element of y has a different share in it.
#pragma once

#include <functional>

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "support/compare.hpp"
#include "support/finite_difference.hpp"

namespace longspan::testing {

struct Input {
  Shape shape;
  bool parameter = false;
};
using Function = std::function<Variable(Tape&, const std::vector<Variable>&)>;
enum class Passes { together, apart };

inline Variable make_variable(const Input& input, const Values& values) {
  const Tensor value = tensor_as<double>(values, input.shape);
  return input.parameter ? Variable::parameter(value, Tensor::zeros(input.shape, Dtype::float64)) : Variable(value);
}

inline std::vector<Variable> make_variables(const std::vector<Input>& inputs, const std::vector<Values>& values) {
  std::vector<Variable> variables;
  for (std::size_t i = 0; i < inputs.size(); ++i) variables.push_back(make_variable(inputs[i], values[i]));
  return variables;
}

inline std::vector<Values> random_inputs(const std::vector<Input>& inputs) {
  std::vector<Values> values;
  for (const Input& input : inputs) values.push_back(random_values(input.shape.size(), 10 + values.size()));
  return values;
}

inline void run_backward(Tape& tape, Passes passes) {
  if (passes == Passes::together) return tape.backward();
  tape.backward_inputs();
  tape.backward_weights();
}

// Gradients of the loss with respect to every input.
inline std::vector<Values> tape_gradients(const std::vector<Input>& inputs, const std::vector<Values>& values,
                                          const Function& function, Passes passes = Passes::together) {
  const std::vector<Variable> variables = make_variables(inputs, values);
  Tape tape;
  const Variable y = function(tape, variables);
  y.set_gradient(tensor_as<double>(random_values(y.value().size(), 7), y.value().shape()));
  run_backward(tape, passes);
  std::vector<Values> gradients;
  for (const Variable& v : variables) gradients.push_back(to_values(v.gradient()));
  return gradients;
}

inline double loss_of(const std::vector<Input>& inputs, const std::vector<Values>& values, const Function& function) {
  Tape tape(false);
  const Values y = to_values(function(tape, make_variables(inputs, values)).value());
  return dot(y, random_values(static_cast<std::int64_t>(y.size()), 7));
}

// Input part and weight part one after the other must give the same bits as together.
inline void expect_right_gradients(const std::vector<Input>& inputs, const Function& function) {
  const std::vector<Values> values = random_inputs(inputs);
  const std::vector<Values> gradients = tape_gradients(inputs, values, function);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Values numeric = numeric_gradient(
        [&](const Values& changed) {
          std::vector<Values> all = values;
          all[i] = changed;
          return loss_of(inputs, all, function);
        },
        values[i]);
    EXPECT_LT(distance(gradients[i], numeric), kDifferenceTolerance) << "input " << i;
  }
  EXPECT_EQ(tape_gradients(inputs, values, function, Passes::apart), gradients);
}

}  // namespace longspan::testing
