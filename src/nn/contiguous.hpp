// Recurrences run over positions one after the other, so that each rank of the sequence axis must hold a contiguous
// run. Where the run's shard is another one (attention's zigzag), rows go to the contiguous shard and back: two
// all-to-alls a layer and direction.
#pragma once

#include <functional>

#include "autograd/variable.hpp"
#include "layout/row_exchange.hpp"
#include "nn/context.hpp"

namespace longspan {

struct ContiguousRun {
  SequenceContext sequence;
  std::shared_ptr<const RowExchange> enter, leave;
};

using ContiguousMixing = std::function<Variable(const Context&, const Variable&)>;

// mix(context, x) with the context and the rows of this rank's contiguous run. Collective over the sequence axis.
Variable in_contiguous_run(const Context& context, const Variable& x, const ContiguousMixing& mix);

// For each row of a contiguous run, the row at which its document starts: negative where that is before the run, far
// below where the document has no start of its own. int32 [B, T_local].
Tensor document_rows(const Context& context);
// The row at which its document ends: beyond the run where that is later, far beyond where no other document follows.
Tensor document_ends(const Context& context);
// document_rows of the run read from its last row to its first.
Tensor reversed_documents(const Context& context);

}  // namespace longspan
