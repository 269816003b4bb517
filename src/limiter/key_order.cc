#include "limiter/key_order.h"

namespace flint::limiter {

std::vector<const KeyEntry*> KeyOrder::page(std::string_view prefix, std::string_view from, bool inclusive,
                                            std::size_t most) const {
  std::vector<const KeyEntry*> page;
  auto at = inclusive ? entries_.lower_bound(from) : entries_.upper_bound(from);
  for (; at != entries_.end() && page.size() < most && (*at)->key.view().starts_with(prefix); ++at) page.push_back(*at);
  return page;
}

}  // namespace flint::limiter
