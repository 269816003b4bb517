#pragma once

#include "backend/backend.h"
#include "flint/limiter.h"

namespace flint::backend {

/// The limits of a data directory that this process owns.
class LocalBackend final : public Backend {
 public:
  /// `limiter` outlives the backend.
  explicit LocalBackend(Limiter& limiter) : limiter_(limiter) {}

  [[nodiscard]] std::unique_ptr<Queue> open_queue(Queue::Calls calls) override;
  void run(const Operation& operation, std::function<void(Answer)> done) override;
  [[nodiscard]] Status health() const override { return limiter_.health(); }
  [[nodiscard]] Stats stats() const override { return limiter_.stats(); }
  /// A sync that hangs ends as the kernel says: until then, nobody knows what is on disk.
  [[nodiscard]] std::optional<std::chrono::milliseconds> patience() const override { return std::nullopt; }

 private:
  Limiter& limiter_;
};

}  // namespace flint::backend
