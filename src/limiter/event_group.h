#pragma once

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

#include "limiter/event_codec.h"

namespace flint::limiter {

/// Holds the parts of a group until the last one has come, so that a reader of the log acts on all of them or on none:
/// the last one is missing where a crash or a full disk came in between.
class EventGroup {
 public:
  /// A record of the log, in order, and what it decodes to. False if it continues a group that did not begin.
  [[nodiscard]] bool take(const storage::Record& record, const std::optional<GroupPart>& part) {
    if (!part || part->begins) parts_.clear();
    if (!part) return true;
    if (!part->begins && parts_.empty()) return false;
    parts_.push_back({record.seq, {record.payload.begin(), record.payload.end()}});
    return true;
  }

  /// Once the last one has come: calls `use` with each part, in order, up to the first failure, and lets them go.
  template <typename Use>
  Status complete(const Use& use) {
    for (const Part& part : std::exchange(parts_, {})) {
      if (Status used = use({.kind = kPartKind, .seq = part.seq, .payload = part.payload}); !used.ok()) return used;
    }
    return {};
  }

  void clear() noexcept { parts_.clear(); }

 private:
  struct Part {
    storage::Seq seq;
    std::vector<std::byte> payload;
  };
  std::vector<Part> parts_;
};

}  // namespace flint::limiter
