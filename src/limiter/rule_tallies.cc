#include "limiter/rule_tallies.h"

namespace flint::limiter {

void RuleTally::add(const RuleTally& other) noexcept {
  allowed += other.allowed;
  denied += other.denied;
  would_deny += other.would_deny;
  forgotten += other.forgotten;
}

RuleTally& RuleTallies::of_pattern(std::string_view name) {
  const auto found = patterns_.find(name);
  if (found != patterns_.end()) return found->second;
  return patterns_.size() == kMostPatterns ? other_ : patterns_[std::string(name)];
}

void RuleTallies::remove(std::string_view name) {
  const auto found = patterns_.find(name);
  if (found == patterns_.end()) return;
  removed_.add(found->second);
  patterns_.erase(found);
}

RuleTally RuleTallies::sum() const noexcept {
  RuleTally sum = removed_;
  for (const RuleTally* tally : {&exact_, &carried_, &other_}) sum.add(*tally);
  for (const auto& [name, tally] : patterns_) sum.add(tally);
  return sum;
}

}  // namespace flint::limiter
