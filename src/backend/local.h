#pragma once

#include <optional>

#include "backend/backend.h"
#include "backend/serving.h"
#include "flint/limiter.h"

namespace flint::backend {

/// The limits of a data directory that this process owns.
class LocalBackend final : public Backend {
 public:
  /// `limiter` outlives the backend. `serving` is told to those who ask for its health.
  explicit LocalBackend(Limiter& limiter, std::optional<Serving> serving = {})
      : limiter_(limiter), serving_(std::move(serving)) {}

  [[nodiscard]] std::unique_ptr<Queue> open_queue(Queue::Calls calls) override;
  void run(const Operation& operation, std::function<void(Answer)> done) override;
  [[nodiscard]] Status health() const override { return limiter_.health(); }
  [[nodiscard]] Stats stats() const override { return limiter_.stats(); }
  /// A sync that hangs ends as the kernel says: until then, nobody knows what is on disk.
  [[nodiscard]] std::optional<std::chrono::milliseconds> patience() const override { return std::nullopt; }

 private:
  Limiter& limiter_;
  const std::optional<Serving> serving_;
};

}  // namespace flint::backend
