#include "comm/waiting.hpp"

#include <mutex>

namespace longspan {
namespace {

std::mutex mutex;
WaitScope* innermost = nullptr;

}  // namespace

WaitScope::WaitScope(const std::string& group, const char* kind) : group_(group), kind_(kind) {
  const std::lock_guard lock(mutex);
  outer_ = innermost;
  innermost = this;
}

WaitScope::~WaitScope() {
  const std::lock_guard lock(mutex);
  innermost = outer_;
}

std::optional<PresentWait> present_wait() {
  const std::lock_guard lock(mutex);
  if (innermost == nullptr) return std::nullopt;
  return PresentWait{innermost->group_, innermost->kind_, innermost->timer_.seconds()};
}

}  // namespace longspan
