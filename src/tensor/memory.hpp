// Every byte of tensor storage comes from here and is accounted by category. A hard limit makes the process behave
// like a device of that size. Freed blocks are kept and reused, so that a steady-state step allocates nothing.
// Not thread-safe: tensors are made and dropped by the thread that drives the rank.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace longspan {

enum class Memory { parameters, gradients, optimizer, activations, communication, workspace };
inline constexpr int kMemoryCategories = 6;
const char* to_string(Memory category);

struct MemoryUse {
  std::size_t current = 0;  // bytes held now by live tensors
  std::size_t peak = 0;     // largest `current` since the last reset_peak
};

class MemoryPool {
 public:
  // Where new tensors come from: the process' own pool, or that of the innermost ShapeOnly scope.
  static MemoryPool& instance();
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // Throws EnvironmentError naming `label` where the limit or the machine does not hold `bytes` more.
  void* allocate(std::size_t bytes, Memory category, const char* label);
  void release(void* block, std::size_t bytes, Memory category);

  MemoryUse use(Memory category) const { return by_category_[static_cast<int>(category)]; }
  MemoryUse total() const { return total_; }
  std::size_t reserved() const { return reserved_; }                      // live bytes and kept blocks together
  std::size_t system_allocations() const { return system_allocations_; }  // calls that went to the system so far
  void reset_peak();
  void release_kept_blocks();

  // What is held for speed alone: `give_up` releases it and is called, once, before a tensor is refused for want of
  // room. nullptr: there is nothing of the kind.
  void set_spare(std::function<void()> give_up) { give_up_ = std::move(give_up); }

  // 0 = no limit.
  void set_limit(std::size_t bytes) { limit_ = bytes; }
  std::size_t limit() const { return limit_; }

  // Tests fill new blocks with NaN so that a read before a write shows.
  void set_poison(bool on) { poison_ = on; }

  // Blocks of this pool are accounted but have no memory behind them.
  bool shape_only() const { return backing_ == Backing::none; }

 private:
  friend class ShapeOnly;
  enum class Backing { device, none };
  explicit MemoryPool(Backing backing) : backing_(backing) {}
  void* reserve(std::size_t block) const;  // nullptr where the device has no room
  bool within_limit(std::size_t block) const { return limit_ == 0 || total_.current + block <= limit_; }
  void give_up_spare();

  static inline MemoryPool* current_ = nullptr;  // of the innermost ShapeOnly scope, if any
  Backing backing_;
  std::array<MemoryUse, kMemoryCategories> by_category_{};
  MemoryUse total_;
  std::map<std::size_t, std::vector<void*>> kept_;
  std::size_t reserved_ = 0, limit_ = 0, system_allocations_ = 0;
  std::function<void()> give_up_;
  bool poison_ = false;
};

// "1.50 GiB", "312.0 MiB", "96 B".
std::string format_bytes(double bytes);

}  // namespace longspan
