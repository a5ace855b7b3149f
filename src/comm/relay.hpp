// States that go from rank to rank of an axis, for recurrences that no map sums up: a rank can start only where the one
// before it has ended. Groups of sequences follow one another, so that all ranks work at once, each on another group.
#pragma once

#include <vector>

#include "comm/comm.hpp"

namespace longspan {

class Relay {
 public:
  // `states`, one for each group: they enter the first rank (the last one where `reversed`) as they are, and other
  // ranks as the one before leaves them. All ranks bring the same groups. One relay at a time on an axis; without an
  // axis a rank is alone.
  Relay(const Comm* axis, std::vector<Tensor> states, bool reversed);

  // The state of a group once it is here; to be worked on in place and then handed on. Groups go in order.
  const Tensor& enter(std::size_t group);
  void leave(std::size_t group);

 private:
  const Comm* axis_;
  std::vector<Tensor> states_;
  int before_, after_;  // ranks; -1 where there is none
  std::vector<Request> receives_, sends_;
};

}  // namespace longspan
