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
  }
  base::assertion_failed("kind is one of EventKind", __FILE__, __LINE__);
}

}  // namespace flint
