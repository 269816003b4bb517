#pragma once

#include <chrono>
#include <string>

#include "backend/backend.h"
#include "flint/stats.h"
#include "http/monitor.h"

namespace flint::http {

/// Makes the samples of one second after another for GET /v1/events. Threads: one at a time.
class Sampler {
 public:
  /// Takes the first readings, which the first sample is compared with. The references outlive it.
  Sampler(backend::Backend& backend, const Monitor& monitor);

  /// What happened since the last call, and what is now, as one line of JSON.
  [[nodiscard]] std::string next();

 private:
  struct Reading {
    std::chrono::steady_clock::time_point at;
    Stats stats;
    Histogram check_nanos;
  };
  [[nodiscard]] Reading read() const;

  backend::Backend& backend_;
  const Monitor& monitor_;
  Reading last_;
};

}  // namespace flint::http
