#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <string_view>

#include "api/exchange.h"
#include "api/service.h"
#include "backend/backend.h"
#include "http/traffic.h"

namespace flint::http {

/// What the server tells monitoring systems about itself: GET /metrics for Prometheus, GET /livez and /readyz for
/// whoever starts and stops it. Threads: any, except for what says otherwise.
class Monitor {
 public:
  /// `backend` outlives it. `connections` says how many are open; any thread may ask.
  Monitor(const backend::Backend& backend, std::function<std::size_t()> connections)
      : backend_(backend), connections_(std::move(connections)) {}

  /// For a loop to count in. Lives as long as the monitor. Not while requests are answered.
  [[nodiscard]] Traffic& add_loop() { return loops_.emplace_back(); }
  /// From now on the server is not ready.
  void begin_drain() noexcept { draining_.store(true, std::memory_order_relaxed); }

  [[nodiscard]] static bool has(std::string_view path) noexcept;
  /// Asks for no token, and tells no more than a word.
  [[nodiscard]] static bool is_public(std::string_view path) noexcept;

  // For a path that it has.

  [[nodiscard]] static api::Service::Route route(api::Method method);
  [[nodiscard]] api::Response handle(const api::Request& request) const;

 private:
  [[nodiscard]] api::Response ready() const;
  [[nodiscard]] api::Response metrics() const;

  const backend::Backend& backend_;
  const std::function<std::size_t()> connections_;
  std::deque<Traffic> loops_;
  std::atomic<bool> draining_ = false;
  const std::chrono::system_clock::time_point started_at_ = std::chrono::system_clock::now();
};

}  // namespace flint::http
