#include "mixers/sequence/exchange_heads.hpp"

#include "ops/block_copy.hpp"
#include "ops/elementwise.hpp"

namespace longspan {
namespace {

// One block per rank of the group, packed one after the other in a message buffer.
class Blocks {
 public:
  Blocks(std::vector<Shape> shapes, Dtype dtype) : shapes_(std::move(shapes)) {
    std::int64_t all = 0;
    for (const Shape& s : shapes_) {
      sizes_.push_back(s.size());
      first_.push_back(all);
      all += s.size();
    }
    buffer_ = Tensor::empty({all}, dtype, Memory::communication, "exchanged heads");
  }

  Tensor block(int rank) const {
    const auto i = static_cast<std::size_t>(rank);
    return buffer_.slice(first_[i], sizes_[i]).reshape(shapes_[i]);
  }
  const Tensor& buffer() const { return buffer_; }
  const std::vector<std::int64_t>& sizes() const { return sizes_; }

 private:
  std::vector<Shape> shapes_;
  std::vector<std::int64_t> first_, sizes_;
  Tensor buffer_;
};

// Blocks of this rank's rows and rank u's heads, and of rank u's rows and this rank's heads.
struct Exchanged {
  Blocks my_rows, my_heads;

  Exchanged(const HeadExchange& e, const Tensor& like)
      : my_rows(shapes(e, like, true), like.dtype()), my_heads(shapes(e, like, false), like.dtype()) {}

  static std::vector<Shape> shapes(const HeadExchange& e, const Tensor& like, bool rows_are_mine) {
    std::vector<Shape> shapes;
    for (int u = 0; u < e.group.size(); ++u) {
      const int heads = rows_are_mine ? u : e.group.rank(), rows = rows_are_mine ? e.group.rank() : u;
      shapes.push_back({like.dim(0), e.heads[static_cast<std::size_t>(heads)].size(),
                        e.shard.local_length(e.part_of(rows)), like.dim(3)});
    }
    return shapes;
  }
};

// Calls body(block of rank u's rows and my heads, the same rows in y [A, h, T_group, K]).
template <class Body>
void for_rows_of_group(const HeadExchange& e, const Blocks& my_heads, const Tensor& y, const Body& body) {
  for (int u = 0; u < e.group.size(); ++u) {
    const Tensor block = my_heads.block(u);
    for (const RowMove& move : rows_in_group(e.shard, e.part_of(u), e.group.size())) {
      body(ops::BlockRef(block).rows(move.row, move.count), ops::BlockRef(y).rows(move.to, move.count, move.step));
    }
  }
}

Tensor to_heads(const HeadExchange& e, const Tensor& x) {
  const Range mine = e.heads[static_cast<std::size_t>(e.group.rank())];
  const Exchanged blocks(e, x);
  for (int u = 0; u < e.group.size(); ++u) {
    const Range heads = e.heads[static_cast<std::size_t>(u)];
    ops::copy_block(ops::BlockRef(x).heads(heads.begin, heads.size()), ops::BlockRef(blocks.my_rows.block(u)));
  }
  e.group.all_to_all(blocks.my_rows.buffer(), blocks.my_rows.sizes(), blocks.my_heads.buffer(),
                     blocks.my_heads.sizes());
  const std::int64_t rows = e.shard.grouped(e.group.size()).local_length();
  const Tensor y = Tensor::empty({x.dim(0), mine.size(), rows, x.dim(3)}, x.dtype());
  for_rows_of_group(e, blocks.my_heads, y,
                    [](const ops::BlockRef& block, const ops::BlockRef& whole) { ops::copy_block(block, whole); });
  return y;
}

// What several ranks hold of one head is added up, then rounded.
Tensor to_rows(const HeadExchange& e, const Tensor& y, Dtype dtype) {
  const Exchanged blocks(e, y);
  for_rows_of_group(e, blocks.my_heads, y,
                    [](const ops::BlockRef& block, const ops::BlockRef& whole) { ops::copy_block(whole, block); });
  e.group.all_to_all(blocks.my_heads.buffer(), blocks.my_heads.sizes(), blocks.my_rows.buffer(),
                     blocks.my_rows.sizes());
  const Shape shape{y.dim(0), e.heads.back().end, e.shard.local_length(), y.dim(3)};
  const bool add = e.shares_heads();
  const Tensor x = add ? Tensor::zeros(shape, accumulation_dtype(y.dtype())) : Tensor::empty(shape, y.dtype());
  for (int u = 0; u < e.group.size(); ++u) {
    const Range heads = e.heads[static_cast<std::size_t>(u)];
    const ops::BlockRef part(blocks.my_rows.block(u)), whole = ops::BlockRef(x).heads(heads.begin, heads.size());
    if (add) {
      ops::add_block(part, whole);
    } else {
      ops::copy_block(part, whole);
    }
  }
  if (x.dtype() == dtype) return x;
  const Tensor rounded = Tensor::empty(shape, dtype);
  ops::copy(x, rounded);
  return rounded;
}

}  // namespace

Variable rows_to_heads(Tape& tape, const HeadExchange& exchange, const Variable& x) {
  const Variable y(to_heads(exchange, x.value()));
  tape.record("rows_to_heads", [=] { x.add_gradient(to_rows(exchange, y.take_gradient(), x.value().dtype())); });
  return y;
}

Variable heads_to_rows(Tape& tape, const HeadExchange& exchange, const Variable& y) {
  LONGSPAN_CHECK(!exchange.shares_heads(), "[exchange_heads] rows from heads that several ranks hold");
  const Variable x(to_rows(exchange, y.value(), y.value().dtype()));
  tape.record("heads_to_rows", [=] { y.add_gradient(to_heads(exchange, x.take_gradient())); });
  return x;
}

}  // namespace longspan
