#include "autograd/functions/tensor_axis.hpp"

#include "autograd/functions/basic.hpp"
#include "autograd/gradient_check.hpp"
#include "comm/counters.hpp"
#include "comm/delay.hpp"
#include "layout/volume.hpp"
#include "support/world.hpp"

namespace longspan::testing {
namespace {

constexpr std::int64_t B = 1, T = 5, D = 4;  // rows that 2, 3 and 4 ranks share unevenly
const Shape kWhole{B, T, D};

double sum_of_ranks() { return world().size() * (world().size() + 1) / 2.0; }
double mine() { return world().rank() + 1; }
Range my_rows() { return residual_rows(world(), B * T); }

// Entry i of the whole is its number.
Values numbers(const Range& rows, double factor = 1) {
  Values values;
  for (std::int64_t i = rows.begin * D; i < rows.end * D; ++i) values.push_back(factor * static_cast<double>(i + 1));
  return values;
}
Tensor whole(double factor) { return tensor_as<double>(numbers({0, B * T}, factor), kWhole); }
Tensor my_part(double factor) { return tensor_as<double>(numbers(my_rows(), factor), {my_rows().size(), D}); }

// On one rank: as it came, else as 2 dimensions or 3.
Values values_of(const Variable& v) { return to_values(v.value()); }

TEST(TensorAxis, GatheringMakesTheWholeAndSumsPartsOfTheGradient) {
  Tape tape;
  const Variable x(world().size() == 1 ? whole(1) : my_part(1));
  const Variable y = gather_rows(tape, x, kWhole, world());
  EXPECT_EQ(values_of(y), numbers({0, B * T}));
  y.set_gradient(whole(mine()));
  tape.backward();
  EXPECT_EQ(to_values(x.gradient()), numbers(my_rows(), sum_of_ranks()));
}

TEST(TensorAxis, ScatteringSumsPartsOfTheValueAndGathersTheGradient) {
  Tape tape;
  const Variable x(whole(mine()));
  const Variable y = scatter_rows(tape, x, world());
  EXPECT_EQ(values_of(y), numbers(my_rows(), sum_of_ranks()));
  y.set_gradient(world().size() == 1 ? whole(3) : my_part(3));
  tape.backward();
  EXPECT_EQ(to_values(x.gradient()), numbers({0, B * T}, 3));
}

TEST(TensorAxis, SumsInsideGoBothWays) {
  Tape tape;
  const Variable x(whole(mine()));
  const Variable y = sum_inside(tape, x, world());
  EXPECT_EQ(values_of(y), numbers({0, B * T}, sum_of_ranks()));
  const Tensor held = whole(mine());
  y.set_gradient(held);
  tape.backward();
  EXPECT_EQ(to_values(x.gradient()), numbers({0, B * T}, sum_of_ranks()));
  if (world().size() > 1) {
    EXPECT_EQ(to_values(held), numbers({0, B * T}, mine()));
  }
}

// Products that read gathered rows, or gradients, while they are under way: the same as without a delay.
TEST(TensorAxis, ProductsOfRowsThatComeLate) {
  struct Outcome {
    Values y, dx, dweight;
    bool operator==(const Outcome&) const = default;
  };
  const auto run = [](double delay) {
    set_message_delay(delay);
    Tape tape;
    const Variable x(world().size() == 1 ? whole(1) : my_part(1));
    const Variable first =
        Variable::parameter(tensor_as<double>(random_values(3 * D, 1), {3, D}), Tensor::zeros({3, D}, Dtype::float64));
    const Variable second =
        Variable::parameter(tensor_as<double>(random_values(D * 3, 2), {D, 3}), Tensor::zeros({D, 3}, Dtype::float64));
    const Variable y =
        scatter_rows(tape, linear(tape, linear(tape, gather_rows(tape, x, kWhole, world()), first), second), world());
    y.set_gradient(y.value());
    tape.backward();
    set_message_delay(0);
    return Outcome{to_values(y.value()), to_values(x.gradient()), to_values(first.gradient())};
  };
  EXPECT_EQ(run(2e-3), run(0));
}

TEST(TensorAxis, OfOneRankIsTheVariableItself) {
  const Comm self = world().split("self", world().rank(), 0);
  Tape tape;
  const Variable x(whole(5));
  EXPECT_EQ(gather_rows(tape, x, kWhole, self).value().raw(), x.value().raw());
  EXPECT_EQ(scatter_rows(tape, x, self).value().raw(), x.value().raw());
  EXPECT_EQ(sum_inside(tape, x, self).value().raw(), x.value().raw());
  EXPECT_EQ(tape.size(), 0u);
}

// Forward and backward together two all-reduces of all rows would send as much.
TEST(TensorAxis, ALayerSendsItsRowsTwiceEachWay) {
  CommCounters::instance().reset();
  Tape tape;
  const Variable x(world().size() == 1 ? whole(1) : my_part(1));
  const Variable y = scatter_rows(tape, gather_rows(tape, x, kWhole, world()), world());
  y.set_gradient(y.value());
  tape.backward();
  const std::int64_t bytes = B * T * D * 8;
  const int g = world().size();
  EXPECT_EQ(CommCounters::instance().of_group("world").bytes,
            2 * (all_gather_volume(bytes, g) + reduce_scatter_volume(bytes, g)));
}

}  // namespace
}  // namespace longspan::testing
