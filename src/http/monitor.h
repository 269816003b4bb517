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

/// Answers monitoring systems: GET /metrics for Prometheus, GET /livez and /readyz for the program that starts and
/// stops the server. Threads: any, unless a comment says otherwise.
class Monitor {
 public:
  /// `backend` must outlive it. `connections` returns how many connections are open; any thread may call it.
  /// `top_denied`: how many keys the metrics name, those with the most denials.
  Monitor(backend::Backend& backend, std::function<std::size_t()> connections, std::size_t top_denied = 0)
      : backend_(backend), connections_(std::move(connections)), top_denied_(top_denied) {}

  /// The counters of one more loop, which live as long as the monitor. Not called while requests are answered.
  [[nodiscard]] Traffic& add_loop() { return loops_.emplace_back(); }
  /// From now on the server is not ready.
  void begin_drain() noexcept { draining_.store(true, std::memory_order_relaxed); }

  /// The number of answers of all loops.
  [[nodiscard]] std::uint64_t answers() const noexcept;

  /// How long checks took, over all loops.
  [[nodiscard]] Histogram check_nanos() const;
  [[nodiscard]] std::size_t connections() const { return connections_(); }

  [[nodiscard]] static bool has(std::string_view path) noexcept;
  /// Whether the path needs no token, because its answer is one word.
  [[nodiscard]] static bool is_public(std::string_view path) noexcept;

  // For paths that the monitor answers.

  [[nodiscard]] api::Service::Route route(api::Method method, std::string_view path) const;
  /// For an effect that does not block.
  [[nodiscard]] api::Response handle(const api::Request& request) const;
  /// For any effect: the caller's thread may have to wait. `done` is called once, in here or later on any thread; it
  /// may be dropped uncalled when the backend ends.
  void run(const api::Request& request, std::function<void(api::Response)> done) const;

 private:
  [[nodiscard]] api::Response ready() const;
  [[nodiscard]] api::Response metrics() const;

  backend::Backend& backend_;
  const std::function<std::size_t()> connections_;
  const std::size_t top_denied_;
  std::deque<Traffic> loops_;
  std::atomic<bool> draining_ = false;
  const std::chrono::system_clock::time_point started_at_ = std::chrono::system_clock::now();
};

}  // namespace flint::http
