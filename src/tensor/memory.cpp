#include "tensor/memory.hpp"

#include <algorithm>
#include <cstdint>

#include "base/error.hpp"
#include "tensor/device.hpp"

namespace longspan {
namespace {

// Blocks are kept by size class: eight classes to each power of two, so at most 1/8 is lost to rounding.
std::size_t size_class(std::size_t bytes) {
  std::size_t step = 64;
  while (step * 16 <= bytes) step *= 2;
  return std::max<std::size_t>(64, (bytes + step - 1) / step * step);
}

// Outside of what 64-bit processors can address, with room for the offsets of any tensor.
constexpr std::uintptr_t kNoMemory = 0x5a00'0000'0000'0000;

}  // namespace

const char* to_string(Memory category) {
  static constexpr std::array<const char*, kMemoryCategories> kNames = {"parameters",  "gradients",     "optimizer",
                                                                        "activations", "communication", "workspace"};
  return kNames[static_cast<int>(category)];
}

MemoryPool& MemoryPool::instance() {
  static MemoryPool pool(Backing::device);
  return current_ ? *current_ : pool;
}

void* MemoryPool::reserve(std::size_t block) const {
  return backing_ == Backing::device ? device::allocate(block) : reinterpret_cast<void*>(kNoMemory);
}

// Device memory must not be freed after the device runtime has ended: DeviceScope calls release_kept_blocks.
MemoryPool::~MemoryPool() = default;

void* MemoryPool::allocate(std::size_t bytes, Memory category, const char* label) {
  const std::size_t block = size_class(bytes);
  if (!within_limit(block)) give_up_spare();
  if (!within_limit(block)) {
    throw EnvironmentError(
        "tensor '{}' ({}, {}) does not fit: {} of run.memory_limit = {} are in use; use more ranks, a smaller batch or "
        "recompute",
        label, format_bytes(static_cast<double>(bytes)), to_string(category),
        format_bytes(static_cast<double>(total_.current)), format_bytes(static_cast<double>(limit_)));
  }
  void* data = nullptr;
  if (auto& kept = kept_[block]; !kept.empty()) {
    data = kept.back();
    kept.pop_back();
  } else {
    if (limit_ != 0 && reserved_ + block > limit_) release_kept_blocks();
    data = reserve(block);
    if (data == nullptr) {
      give_up_spare();
      release_kept_blocks();
      data = reserve(block);
    }
    if (data == nullptr) {
      throw EnvironmentError("this machine has no memory left for tensor '{}' ({}); use more nodes or a smaller batch",
                             label, format_bytes(static_cast<double>(bytes)));
    }
    reserved_ += block;
    ++system_allocations_;
  }
  if (poison_) device::fill_bytes(data, 0xff, block);
  for (MemoryUse* use : {&by_category_[static_cast<int>(category)], &total_}) {
    use->current += block;
    use->peak = std::max(use->peak, use->current);
  }
  return data;
}

void MemoryPool::give_up_spare() {
  if (const auto give_up = std::exchange(give_up_, nullptr)) give_up();
}

void MemoryPool::release(void* data, std::size_t bytes, Memory category) {
  const std::size_t block = size_class(bytes);
  by_category_[static_cast<int>(category)].current -= block;
  total_.current -= block;
  kept_[block].push_back(data);
}

void MemoryPool::reset_peak() {
  for (auto& use : by_category_) use.peak = use.current;
  total_.peak = total_.current;
}

void MemoryPool::release_kept_blocks() {
  for (auto& [block, list] : kept_) {
    for (void* data : list) {
      if (backing_ == Backing::device) device::release(data, block);
      reserved_ -= block;
    }
    list.clear();
  }
}

std::string format_bytes(double bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? std::format("{:.0f} B", bytes)
                   : std::format("{:.{}f} {}", bytes, bytes < 100 ? 2 : 1, kUnits[unit]);
}

}  // namespace longspan
