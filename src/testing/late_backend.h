#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace flint::testing {

/// A backend that answers when the test says so: late, in any order, or never. Threads: any.
class LateBackend final : public backend::Backend {
 public:
  explicit LateBackend(std::optional<std::chrono::milliseconds> patience = {}) : patience_(patience) {}
  ~LateBackend() override;

  [[nodiscard]] std::unique_ptr<backend::Queue> open_queue(backend::Queue::Calls calls) override;
  void run(const backend::Operation& operation, std::function<void(backend::Answer)> done) override;
  [[nodiscard]] Status health() const override { return {}; }
  [[nodiscard]] Stats stats() const override { return {}; }
  [[nodiscard]] std::optional<std::chrono::milliseconds> patience() const override { return patience_; }

  // For the test.

  /// Returns when `count` operations wait for an answer, with what each is about, in the order in which they came: the
  /// key of a check, else the operation's name.
  std::vector<std::string> await(std::size_t count);
  /// Answers the oldest operation that waits and is about `what`, which has come.
  void answer(const std::string& what, backend::Answer answer);
  /// Answers a check of `key`: allowed, with `remaining` units left.
  void allow(const std::string& key, Units remaining = 0);
  [[nodiscard]] std::size_t waiting() const;
  /// How often a batch was ended that had operations in it.
  [[nodiscard]] std::size_t batches() const;

 private:
  class LateQueue;

  struct Question {
    std::string what;
    /// Null: it was run, and `done` takes the answer.
    LateQueue* queue = nullptr;
    backend::Asker* asker = nullptr;
    std::uint64_t number = 0;
    std::function<void(backend::Answer)> done;
  };

  const std::optional<std::chrono::milliseconds> patience_;
  mutable std::mutex mutex_;
  std::condition_variable came_;
  std::vector<Question> questions_;
  std::size_t batches_ = 0;
};

}  // namespace flint::testing
