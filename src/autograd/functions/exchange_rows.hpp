// Rows of a sequence from the ranks that hold them to the ranks that want them (layout/row_exchange.hpp): one
// all-to-all forward, one backward. x [B, T_local, C] -> [B, wanted, C]. Each way a rank sends B C elements for each
// row that leaves it. Collective over the axis.
#pragma once

#include <memory>

#include "autograd/tape.hpp"
#include "autograd/variable.hpp"
#include "comm/comm.hpp"
#include "layout/row_exchange.hpp"

namespace longspan {

// The axis must outlive the tape.
Variable exchange_rows(Tape& tape, const Variable& x, std::shared_ptr<const RowExchange> plan, const Comm& axis);

}  // namespace longspan
