// One group of ranks that talk: an axis of the mesh or a product of axes. Owns a duplicated communicator, so that its
// messages never meet another group's. Every call is counted by group and kind (calls, bytes, seconds). The only
// folder that calls MPI. "collective" = every rank of the group must call it, in the same order. A group of one
// returns at once and counts nothing.
//
// Bytes counted are those that a rank puts on the wire in the classical algorithm (g ranks, n payload bytes), rounded
// down to whole bytes:
//   all_reduce 2 n (g-1)/g; reduce_scatter, all_gather n (g-1)/g of the full buffer; all_to_all what it sends to
//   others, which is n (g-1)/g for even rows; broadcast n at the root; send n. Kinds are named as the functions,
//   without _async.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/counters.hpp"
#include "tensor/tensor.hpp"

namespace longspan {

enum class Reduce { sum, max, min };

// A message or collective under way; holds its tensors. Destroying an unfinished request waits for it, unless an
// exception is passing by: then the messages are given up, as the other side may never come. Movable.
class Request {
 public:
  Request();
  ~Request();
  Request(Request&&) noexcept;
  Request& operator=(Request&&) noexcept;

  bool test();  // true once finished; also lets the MPI library make progress
  void wait();
  bool active() const;

 private:
  friend class Comm;
  struct State;
  explicit Request(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Lets the MPI library move messages that are under way; for long computations between a start and its wait.
void progress();

class Comm {
 public:
  struct Handle;  // hides MPI_Comm; comm/handle.hpp shows it to those who must hand it to a library
  Comm(std::string name, std::shared_ptr<Handle> handle);

  // A group in which this process plays one rank and the others do not exist; for shape-only execution, and to measure
  // computation alone. Every call is checked and counted as otherwise and returns at once: what other ranks would send
  // is zero in shape-only tensors and whatever stood there before in others, and values that are reduced, gathered or
  // broadcast are this rank's own.
  static Comm phantom(std::string name, int size, int rank);
  bool is_phantom() const { return handle_ == nullptr; }

  // The ranks that give the same color >= 0 become a group, ranked by key. Collective; not of a phantom.
  Comm split(const std::string& name, int color, int key) const;
  const std::shared_ptr<Handle>& handle() const { return handle_; }

  const std::string& name() const { return name_; }
  int size() const { return size_; }
  int rank() const { return rank_; }

  // Collectives; float64, float32, bfloat16 (reduced in float32), int32 and int64 tensors. Collective.
  void all_reduce(const Tensor& t, Reduce op = Reduce::sum) const;           // in place
  Request all_reduce_async(const Tensor& t, Reduce op = Reduce::sum) const;  // in place; t lives until wait
  void broadcast(const Tensor& t, int root) const;                           // in place
  // Dimension 0 of `all` is cut into rows[0], rows[1], ... (one entry per rank, may be 0 and uneven). `mine` may be its
  // own part of `all` in all_gather, not in reduce_scatter.
  void all_gather(const Tensor& mine, const Tensor& all, const std::vector<std::int64_t>& rows) const;
  Request all_gather_async(const Tensor& mine, const Tensor& all, const std::vector<std::int64_t>& rows) const;
  void reduce_scatter(const Tensor& all, const Tensor& mine, const std::vector<std::int64_t>& rows) const;  // sum
  Request reduce_scatter_async(const Tensor& all, const Tensor& mine, const std::vector<std::int64_t>& rows) const;
  // Row blocks: send_rows[r] rows of `send` go to rank r; receive_rows[r] rows come from rank r, in rank order.
  void all_to_all(const Tensor& send, const std::vector<std::int64_t>& send_rows, const Tensor& receive,
                  const std::vector<std::int64_t>& receive_rows) const;
  void barrier() const;

  // Messages between two ranks of the group. Messages of equal (from, to, tag) keep their order. The receiving tensor
  // has the size and dtype of the sent one.
  void send(const Tensor& t, int to, int tag) const;
  void receive(const Tensor& t, int from, int tag) const;
  Request send_async(const Tensor& t, int to, int tag) const;  // t must live, unchanged, until wait
  Request receive_async(const Tensor& t, int from, int tag) const;

  // Small host values. Collective.
  double all_reduce_value(double value, Reduce op = Reduce::sum) const;
  std::int64_t all_reduce_value(std::int64_t value, Reduce op = Reduce::sum) const;
  std::vector<double> all_gather_value(double value) const;
  std::string broadcast_text(const std::string& text, int root) const;

 private:
  struct Blocks;
  Comm(std::string name, int size, int rank) : name_(std::move(name)), size_(size), rank_(rank) {}
  std::unique_ptr<Request::State> exchange(const Tensor& send, const Blocks& to, const Tensor& receive,
                                           const Blocks& from, const char* kind) const;

  std::string name_;
  std::shared_ptr<Handle> handle_;  // null: a phantom
  int size_ = 1, rank_ = 0;
};

}  // namespace longspan
