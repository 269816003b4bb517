#include "flint/decision.h"

#include "base/assert.h"

namespace flint {

std::string_view event_kind_name(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::kConfigured:
      return "configured";
    case EventKind::kAllowed:
      return "allowed";
    case EventKind::kDenied:
      return "denied";
    case EventKind::kReset:
      return "reset";
    case EventKind::kWouldDeny:
      return "would_deny";
    case EventKind::kCharged:
      return "charged";
    case EventKind::kReserved:
      return "reserved";
    case EventKind::kSettled:
      return "settled";
    case EventKind::kExpired:
      return "expired";
  }
  base::assertion_failed("kind is one of EventKind", __FILE__, __LINE__);
}

std::string_view source_name(Source source) noexcept {
  switch (source) {
    case Source::kSet:
      return "set";
    case Source::kPattern:
      return "pattern";
    case Source::kFile:
      return "file";
    case Source::kCarried:
      return "carried";
  }
  return "unknown";
}

}  // namespace flint
