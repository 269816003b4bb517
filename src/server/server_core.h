#pragma once

#include <algorithm>
#include <cstddef>

#include "api/exchange.h"
#include "flint/limiter.h"
#include "server/connection_table.h"
#include "server/descriptors.h"
#include "server/monitor.h"
#include "server/options.h"
#include "server/routes.h"
#include "server/storage_gate.h"
#include "server/worker_pool.h"

namespace flint::server {

/// What all loops and connections of one server share. Outlives them.
struct ServerCore {
  ServerCore(Limiter& over, const Deadlines& limits, const ConnectionPlaces& places, std::size_t max_blocking)
      : limiter(over),
        connections(places.places, places.spare),
        monitor(over, [this] { return connections.count(); }),
        routes(over, monitor),
        deadlines(limits),
        gate(max_blocking),
        scanning_workers(std::min(max_blocking, kMostWorkers)),
        examining_workers(std::min(max_blocking, kMostWorkers)) {}

  Limiter& limiter;
  ConnectionTable connections;
  Monitor monitor;
  Routes routes;
  const Deadlines deadlines;
  StorageGate gate;

  /// Each kind of work has threads of its own: in one queue, doctors and rankings held up a flush.
  static constexpr std::size_t kMostWorkers = 2;
  WorkerPool flushing_workers{1};
  WorkerPool scanning_workers;
  WorkerPool examining_workers;
  /// For an effect that blocks.
  [[nodiscard]] WorkerPool& workers(api::Effect effect) {
    if (effect == api::Effect::kFlushes) return flushing_workers;
    return effect == api::Effect::kScans ? scanning_workers : examining_workers;
  }
};

}  // namespace flint::server
