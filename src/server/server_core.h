#pragma once

#include <algorithm>
#include <cstddef>

#include "api/exchange.h"
#include "backend/backend.h"
#include "http/events.h"
#include "http/monitor.h"
#include "http/routes.h"
#include "net/connection_table.h"
#include "net/descriptors.h"
#include "net/storage_gate.h"
#include "net/worker_pool.h"
#include "server/options.h"

namespace flint::server {

/// What all loops and connections of one server share. It outlives them.
struct ServerCore {
  ServerCore(backend::Backend& over, const Deadlines& limits, const net::ConnectionPlaces& places,
             std::size_t max_blocking, std::size_t top_denied)
      : backend(over),
        connections(places.places, places.spare),
        monitor(
            over, [this] { return connections.count(); }, top_denied),
        events(over, monitor),
        routes(over, monitor, events),
        deadlines(limits),
        gate(max_blocking),
        scanning_workers(std::min(max_blocking, kMaxWorkers)),
        examining_workers(std::min(max_blocking, kMaxWorkers)) {}

  backend::Backend& backend;
  net::ConnectionTable connections;
  http::Monitor monitor;
  http::Events events;
  http::Routes routes;
  const Deadlines deadlines;
  net::StorageGate gate;

  /// Each kind of work has its own threads: in one queue, doctors and rankings delayed a flush.
  static constexpr std::size_t kMaxWorkers = 2;
  net::WorkerPool flushing_workers{1};
  net::WorkerPool scanning_workers;
  net::WorkerPool examining_workers;
  /// The workers for an effect that blocks.
  [[nodiscard]] net::WorkerPool& workers(api::Effect effect) {
    if (effect == api::Effect::kFlushes) return flushing_workers;
    return effect == api::Effect::kScans ? scanning_workers : examining_workers;
  }
};

}  // namespace flint::server
