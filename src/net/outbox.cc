#include "net/outbox.h"

#include <algorithm>

namespace flint::net {
namespace {

/// An idle connection keeps no more than this.
constexpr std::size_t kKeptCapacity = 16 * 1024;
/// What was sent is cut off the front when it is at least this much: rarely, because the rest is moved.
constexpr std::size_t kCutAt = 32 * 1024;

}  // namespace

void Outbox::hold(std::uint64_t begin, std::uint64_t seq, AskedAt asked_at) {
  // An older record than the one before: it waits for that one anyway, because of the order.
  if (!held_.empty()) seq = std::max(seq, held_.back().seq);
  held_.push_back({begin, seq, asked_at});
}

std::size_t Outbox::drop_held() {
  if (held_.empty()) return 0;
  bytes_.resize(static_cast<std::size_t>(held_.front().begin - base_));
  const std::size_t count = held_.size();
  held_.clear();
  return count;
}

std::string_view Outbox::sendable() const {
  const std::size_t end = held_.empty() ? bytes_.size() : static_cast<std::size_t>(held_.front().begin - base_);
  return std::string_view(bytes_).substr(sent_, end - sent_);
}

void Outbox::sent(std::size_t count) {
  sent_ += count;
  const bool all = sent_ == bytes_.size();
  if (!all && sent_ < kCutAt) return;
  base_ += sent_;
  bytes_.erase(0, sent_);
  sent_ = 0;
  if (all && bytes_.capacity() > kKeptCapacity) bytes_ = std::string();
}

}  // namespace flint::net
