#include "ops/recurrence/split_recurrence.hpp"

#include "ops/elementwise.hpp"

namespace longspan::ops {
namespace {

// The rows of x [R, ...] of some pairs.
Tensor of_pairs(const Tensor& x, const Range& rows) { return x.slice(rows.begin, rows.size()); }

}  // namespace

SplitRecurrence::SplitRecurrence(const RecurrenceSettings& settings, const RecurrenceInput& in)
    : sizes_(map_sizes(settings, in)),
      dtype_(accumulation_dtype(in.k.dtype())),
      rows_(chunk_sizes(settings, in).rows()) {
  for (const auto& windows : cut_run(settings, in)) {
    Part& part = parts_.emplace_back();
    part.rows = windows.front().rows_shown;
    for (const ChunkSizes& window : windows) part.blocks.emplace_back(settings, in, window);
  }
}

Tensor SplitRecurrence::make_states(const Part& part, std::int64_t cols) const {
  std::int64_t chunks = 0;
  for (const RecurrenceBlock& block : part.blocks) chunks += block.count();
  return Tensor::empty({chunks + 1, part.rows.size(), sizes_.key, cols}, dtype_, Memory::workspace, "states");
}

// States [N + 1, R, K, cols] at the starts of all chunks and the end of the last one: the first and the last.
Tensor SplitRecurrence::first_of(const Tensor& states) {
  return states.slice(0, 1).reshape({states.dim(1), states.dim(2), states.dim(3)});
}
Tensor SplitRecurrence::last_of(const Tensor& states) { return first_of(states.slice(states.dim(0) - 1, 1)); }

template <class Blocks, class Visit>
void SplitRecurrence::forwards(Blocks& blocks, const Tensor& states, const Visit& visit) {
  std::int64_t chunk = 0;
  for (auto& block : blocks) {
    visit(block, states.slice(chunk, block.count() + 1));
    chunk += block.count();
  }
}

template <class Blocks, class Visit>
void SplitRecurrence::backwards(Blocks& blocks, const Tensor& states, const Visit& visit) {
  std::int64_t chunk = states.dim(0) - 1;
  for (std::size_t i = blocks.size(); i-- > 0;) {
    chunk -= blocks[i].count();
    visit(blocks[i], states.slice(chunk, blocks[i].count() + 1), chunk);
  }
}

void SplitRecurrence::advance(const Tensor& state) {
  for (Part& part : parts_) {
    part.states = make_states(part, sizes_.value);
    copy(of_pairs(state, part.rows), first_of(part.states));
    forwards(part.blocks, part.states, [](RecurrenceBlock& block, const Tensor& states) { block.advance(states); });
  }
}

Tensor SplitRecurrence::final_state() const {
  const Tensor state = Tensor::empty({rows_, sizes_.key, sizes_.value}, dtype_, Memory::workspace, "state");
  for (const Part& part : parts_) copy(last_of(part.states), of_pairs(state, part.rows));
  return state;
}

// D of a part's run: [R, G], or the columns that the identity becomes.
Tensor SplitRecurrence::decay(const Part& part) const {
  if (!sizes_.dense) {
    const Tensor product = decay_through(part.blocks.front().decays());
    for (std::size_t i = 1; i < part.blocks.size(); ++i) {
      multiply_elements(decay_through(part.blocks[i].decays()), product);
    }
    return product;
  }
  const std::int64_t K = sizes_.key;
  std::vector<double> identity(static_cast<std::size_t>(K * K), 0);
  for (std::int64_t i = 0; i < K; ++i) identity[static_cast<std::size_t>(i * K + i)] = 1;
  const Tensor one = Tensor::from_host(identity, {1, K, K}, Memory::workspace, "identity");
  const Tensor columns = make_states(part, K), first = first_of(columns);
  for (std::int64_t r = 0; r < part.rows.size(); ++r) copy(one, first.slice(r, 1));
  forwards(part.blocks, columns,
           [](const RecurrenceBlock& block, const Tensor& states) { block.carry_change(states); });
  return last_of(columns);
}

Tensor SplitRecurrence::map() const {
  const Tensor map = Tensor::empty({rows_, sizes_.width()}, dtype_, Memory::communication, "run's map");
  for (const Part& part : parts_) {
    copy(pack_map(sizes_, decay(part), last_of(part.states)), of_pairs(map, part.rows));
  }
  return map;
}

void SplitRecurrence::make_output() {
  for (Part& part : parts_) {
    forwards(part.blocks, part.states, [](RecurrenceBlock& block, const Tensor& states) { block.make_output(states); });
  }
}

void SplitRecurrence::enter(const Tensor& state) {
  for (const Part& part : parts_) {
    const Tensor change = make_states(part, sizes_.value);
    copy(of_pairs(state, part.rows), first_of(change));
    forwards(part.blocks, change, [](const RecurrenceBlock& block, const Tensor& states) {
      block.carry_change(states);
      block.add_to_output(states);
    });
  }
}

void SplitRecurrence::write_output(const Tensor& o) const {
  for (const Part& part : parts_) {
    for (const RecurrenceBlock& block : part.blocks) block.write_output(o);
  }
}

void SplitRecurrence::start_backward(const Tensor& dout) {
  for (Part& part : parts_) {
    part.dstates = make_states(part, sizes_.value);
    last_of(part.dstates).set_zero();
    backwards(part.blocks, part.dstates, [&](RecurrenceBlock& block, const Tensor& dstates, std::int64_t) {
      block.start_backward(dout, dstates);
    });
  }
}

Tensor SplitRecurrence::adjoint_map(const Tensor& map) const {
  const Tensor adjoint = Tensor::empty(map.shape(), map.dtype(), Memory::communication, "run's map");
  for (const Part& part : parts_) {
    const Tensor D = unpack_decay(sizes_, of_pairs(map, part.rows));
    copy(pack_map(sizes_, D, first_of(part.dstates), true), of_pairs(adjoint, part.rows));
  }
  return adjoint;
}

void SplitRecurrence::backward_queries() {
  for (Part& part : parts_) {
    forwards(part.blocks, part.states,
             [](RecurrenceBlock& block, const Tensor& states) { block.backward_queries(states); });
  }
}

void SplitRecurrence::leave(const Tensor& dstate) {
  for (Part& part : parts_) {
    const Tensor change = make_states(part, sizes_.value);
    copy(of_pairs(dstate, part.rows), last_of(change));
    backwards(part.blocks, change, [](const RecurrenceBlock& block, const Tensor& dstates, std::int64_t) {
      block.carry_change_back(dstates);
      block.add_to_gradients(dstates);
    });
    add(change, part.dstates, part.dstates);
  }
}

void SplitRecurrence::write_gradients(const RecurrenceGradients& gradients) const {
  for (const Part& part : parts_) {
    backwards(part.blocks, part.dstates, [&](const RecurrenceBlock& block, const Tensor& dstates, std::int64_t chunk) {
      block.write_gradients(part.states.slice(chunk, block.count() + 1), dstates, gradients);
    });
  }
}

}  // namespace longspan::ops
