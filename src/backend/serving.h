#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "flint/options.h"

namespace flint::backend {

/// How a process serves the limits of its data directory, for clients that depend on it.
struct Serving {
  pid_t process_id = 0;
  SyncMode sync = SyncMode::kAlways;
  std::chrono::milliseconds flush_every{0};
  std::uint64_t flush_every_events = 0;
  std::chrono::milliseconds max_unsynced{0};
  std::uint64_t max_keys = 0;
  OnFull on_full = OnFull::kDeny;
  /// Nothing if the process does not end by itself.
  std::optional<std::chrono::milliseconds> exit_when_idle;
};

}  // namespace flint::backend
